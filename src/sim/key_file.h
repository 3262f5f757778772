/* Keys and certificates of the simulation as files in its directories. Share freely. */
#ifndef VCH_SIM_KEY_FILE_H
#define VCH_SIM_KEY_FILE_H

#include "base/buffer.h"
#include "crypto/key.h"
#include "vouch/error.h"
#include "vouch/span.h"

/* dir/name: a private key in PEM, mode 0600. */
VOUCH_MUST_CHECK vouch_code vch_sim_key_write(const char *dir, const char *name, const vch_key *key,
                                              vouch_error *err);
VOUCH_MUST_CHECK vouch_code vch_sim_key_read(const char *dir, const char *name, vch_key **out,
                                             vouch_error *err);

/* dir/name: one certificate in PEM, mode 0644; read back as DER, appended. */
VOUCH_MUST_CHECK vouch_code vch_sim_cert_write(const char *dir, const char *name, vouch_span der,
                                               vouch_error *err);
VOUCH_MUST_CHECK vouch_code vch_sim_cert_read(const char *dir, const char *name, vch_buffer *out,
                                              vouch_error *err);

/* dir/name with any bytes. */
VOUCH_MUST_CHECK vouch_code vch_sim_file_write(const char *dir, const char *name, vouch_span bytes,
                                               unsigned mode, vouch_error *err);

#endif
