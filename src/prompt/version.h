/* The version that --version prints; meson gives it. */
#ifndef VCH_PROMPT_VERSION_H
#define VCH_PROMPT_VERSION_H

#ifndef VCH_VERSION
#error "the build defines VCH_VERSION"
#endif

#endif
