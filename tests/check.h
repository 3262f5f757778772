/* What every unit test includes. A test's name is the sentence that it proves. */
#ifndef VCH_TESTS_CHECK_H
#define VCH_TESTS_CHECK_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "vouch/error.h"

#define CHECK(condition) assert_true(condition)

/* The call succeeds; otherwise the error's text stands in the test's output. */
#define CHECK_OK(call, err)                                                                        \
    do {                                                                                           \
        vouch_code rc_ = (call);                                                                   \
        char text_[1024];                                                                          \
        if (rc_ != VOUCH_OK)                                                                       \
            fail_msg("%s: %s: %s", #call, vouch_code_name(rc_),                                    \
                     vouch_error_text((err), text_, sizeof text_));                                \
    } while (0)

#define TEST(function) cmocka_unit_test(function)

#endif
