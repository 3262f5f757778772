/* Inside svc: how the parts of the configuration are read. For verifyd_config*.c only. */
#ifndef VCH_SVC_VERIFYD_CONFIG_READER_H
#define VCH_SVC_VERIFYD_CONFIG_READER_H

#include "config/yaml.h"
#include "svc/verifyd_config.h"

typedef struct vch_config_reader {
    const char *dir; /* of the file */
    vch_faults *faults;
    vch_verifyd_config *config;
} vch_config_reader;

/* Two paths, or a path and something else, that stand together. */
typedef struct vch_config_pair {
    const char *first, *second;
} vch_config_pair;

/* Each puts a fault at `at` and gives false if it cannot. */
bool vch_config_put_path(vch_config_reader *r, const vch_yaml_node *at, const char *path,
                         char out[static VCH_PATH_SIZE]);
bool vch_config_put_listen(vch_config_reader *r, const vch_yaml_node *at, const char *text,
                           vch_verifyd_listen *out);

/* verifyd_config_token.c: the token keys, and the keys that sign CRLs. */
bool vch_config_read_token(vch_config_reader *r, const vch_yaml_node *node);
bool vch_config_read_crl(vch_config_reader *r, const vch_yaml_node *node);

#endif
