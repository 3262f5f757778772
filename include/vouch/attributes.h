/* The compiler attributes that the public headers use, each behind one macro. */
#ifndef VOUCH_ATTRIBUTES_H
#define VOUCH_ATTRIBUTES_H

#if defined(__GNUC__)
#define VOUCH_API __attribute__((visibility("default")))
#define VOUCH_MUST_CHECK __attribute__((warn_unused_result))
#define VOUCH_PRINTF(format_at, first_at) __attribute__((format(printf, format_at, first_at)))
#else
#define VOUCH_API
#define VOUCH_MUST_CHECK
#define VOUCH_PRINTF(format_at, first_at)
#endif

#ifdef __cplusplus
#define VOUCH_BEGIN_DECLS extern "C" {
#define VOUCH_END_DECLS }
#else
#define VOUCH_BEGIN_DECLS
#define VOUCH_END_DECLS
#endif

#endif
