#!/bin/sh
# Run every fuzz target for a number of seconds each, from its seeds and dictionary.
# usage: tools/fuzz.sh BUILD SECONDS [NAME]...      SECONDS 0: a smoke run that repeats to the bit
# (fixed seed and number of runs from the committed seeds, at most 10 s). Speaks TAP; a find is kept in BUILD/fuzz/finds/.
set -u
build=$1
seconds=$2
smoke=""
[ "$seconds" != 0 ] || { smoke="-seed=1 -runs=20000"; seconds=10; }
shift 2
here=$(cd "$(dirname "$0")/.." && pwd)
mkdir -p "$build/fuzz/finds" "$build/fuzz/corpus"
# shellcheck disable=SC2046 # target names have no blanks
[ $# -gt 0 ] || set -- $(cd "$build/fuzz" && find . -name '*_fuzz' -type f | sed 's,^./,,; s,_fuzz$,,' | sort)
echo "1..$#"
status=0
number=0
for name in "$@"; do
    number=$((number + 1))
    corpus=$build/fuzz/corpus/$name
    [ -z "$smoke" ] || corpus=$(mktemp -d)
    mkdir -p "$corpus"
    set -- -max_total_time="$seconds" -rss_limit_mb=2048 -timeout=10 -print_final_stats=0 \
        -artifact_prefix="$build/fuzz/finds/$name-" -close_fd_mask=1
    [ -f "$here/fuzz/$name.dict" ] && set -- "$@" -dict="$here/fuzz/$name.dict"
    # shellcheck disable=SC2086 # two options, or none
    set -- "$@" $smoke "$corpus"
    [ -d "$here/fuzz/seeds/$name" ] && set -- "$@" "$here/fuzz/seeds/$name"
    if "$build/fuzz/${name}_fuzz" "$@" 2>"$build/fuzz/$name.log"; then
        echo "ok $number - $name finds nothing"
    else
        echo "not ok $number - $name"
        tail -n 40 "$build/fuzz/$name.log" | sed 's/^/# /'
        status=1
    fi
done
exit $status
