#!/bin/sh
# libvouch exports what src/libvouch.map names, each name is declared in include/vouch, and what it
# uses of other libraries is on tools/libvouch.allow.
# usage: tools/check_symbols.sh BUILD
set -u
cd "$(dirname "$0")/.." || exit 70
library=${1:-build}/src/libvouch.so
status=0

complain() {
    echo "$1:"
    printf '%s\n' "$2" | sed 's/^/    /'
    status=1
}

[ -f "$library" ] || { echo "$library is not built"; exit 1; }

mapped=$(sed -n 's/^ *\(vouch_[a-z0-9_]*\);$/\1/p' src/libvouch.map | sort)
exported=$(nm -D --defined-only "$library" | awk '$2 == "T" { sub(/@.*/, "", $3); print $3 }' | sort)
declared=$(cat include/vouch/*.h | grep -oE '\bvouch_[a-z0-9_]+\(' | tr -d '(' | sort -u)

difference=$(printf '%s\n%s\n' "$mapped" "$exported" | sort | uniq -u)
[ -z "$difference" ] || complain "src/libvouch.map and the exported symbols differ" "$difference"
difference=$(printf '%s\n%s\n' "$mapped" "$declared" | sort | uniq -u)
[ -z "$difference" ] || complain "src/libvouch.map and include/vouch differ" "$difference"

# every function has a caller outside the library
for name in $mapped; do
    grep -rqw --include='*.c' "$name" tests examples bench src/cli src/identity src/svc 2>/dev/null \
        || complain "exported, and no test, example, bench or program calls it" "$name"
done

allowed=$(mktemp) || exit 70
trap 'rm -f "$allowed"' EXIT
grep -v '^#' tools/libvouch.allow | sed 's/.*/^(&)$/' >"$allowed"
denied='^(X509_cmp_current_time|X509_gmtime_adj|X509_time_adj.*|X509_STORE_(load|set_default).*|X509_LOOKUP_.*|CRYPTO_THREAD_.*|OPENSSL_gmtime.*|RAND_(load|write)_file)$'
used=$(nm -D --undefined-only "$library" | awk '{ sub(/@.*/, "", $2); print $2 }' | sort -u)
difference=$(printf '%s\n' "$used" | grep -vE -f "$allowed")
[ -z "$difference" ] || complain "used by libvouch and not on tools/libvouch.allow" "$difference"
difference=$(printf '%s\n' "$used" | grep -E "$denied")
[ -z "$difference" ] || complain "used by libvouch: reads files, a clock or starts threads" "$difference"
exit $status
