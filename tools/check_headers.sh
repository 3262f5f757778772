#!/bin/sh
# Every header compiles alone: all of them in C17, the public ones in C++ as well.
# usage: tools/check_headers.sh
set -u
cd "$(dirname "$0")/.." || exit 70
flags="-fsyntax-only -Wall -Wextra -Wno-unused-function -Iinclude -Isrc"
version=-DVCH_VERSION='"0"' # the build defines it
packages=$(pkg-config --cflags libcrypto libssl jansson yaml-0.1 libevent libnghttp2 libcurl sqlite3 zlib 2>/dev/null)
status=0

check() { # compiler, standard, language, header
    # shellcheck disable=SC2086 # flags are a list of words
    output=$("$1" "$2" $flags $packages "$version" -D_GNU_SOURCE -Werror -x "$3" -include "$4" /dev/null 2>&1) && return
    echo "$4 does not compile alone ($3):"
    printf '%s\n' "$output" | head -n 5 | sed 's/^/    /'
    status=1
}

for header in $(git ls-files 'src/*.h' 'include/*.h'); do
    check "${CC_HEADERS:-gcc}" -std=c17 c "$header"
done
for header in $(git ls-files 'include/*.h'); do
    check "${CXX_HEADERS:-g++}" -std=c++17 c++ "$header"
done
exit $status
