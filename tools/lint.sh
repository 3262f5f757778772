#!/bin/sh
# Everything that reads the code without running it. Speaks TAP; exit status 1 if any check fails.
# usage: tools/lint.sh [NAME]...
# shellcheck disable=SC2046 # lists of file names, none with blanks
set -u
cd "$(dirname "$0")/.." || exit 70
build=build

sources() { git ls-files '*.c' '*.h' | grep -E '^(src|include|tests|fuzz|bench|examples)/'; }
# calls that no source of ours may make: unbounded copies, number parsers that ignore junk
banned='\b(strcpy|strcat|sprintf|vsprintf|gets|atoi|atol|atof|strtok|rand|srand|alloca|system|popen|mktemp|tmpnam)[[:space:]]*\('

layers() { tools/check_layers.py; }
format() { sources | xargs clang-format --dry-run --Werror; }
# comments and texts may say "system (" as they like
without_prose() { sed -E 's,"([^"\\]|\\.)*","",g; s,/\*.*(\*/|$),,; s,^ \*.*,,' "$1"; }
banned_calls() {
    bad=0
    for file in $(git ls-files 'src/*.c' 'src/*.h'); do
        found=$(without_prose "$file" | grep -nE "$banned") && printf '%s:%s\n' "$file" "$found" && bad=1
    done
    return $bad
}
file_sizes() { ! git ls-files 'src/*.c' 'src/*.h' | xargs wc -l | awk '$2 != "total" && $1 > 600 { print; bad = 1 } END { exit !bad }'; }
workplace_words() { ! git grep -nE '/work/|/root/|/home/[a-z]' -- . ':!tools/lint.sh'; }
spec_trace() { tools/check_spec_trace.py; }
headers() { tools/check_headers.sh; }
symbols() { tools/check_symbols.sh "$build"; }
shell() { git ls-files | xargs grep -lE '^#!/(usr/)?bin/(env )?(ba)?sh' | grep -v '^tests/vectors' | xargs shellcheck -S warning; }
cppcheck_() {
    # suppressed: what it cannot see (the cleanup attribute), cannot parse (compound literals after ?),
    # or takes for a bounds check where a position is compared
    cppcheck --quiet --std=c11 --enable=warning,performance,portability --inline-suppr --error-exitcode=1 \
        --suppress=resourceLeak --suppress=memleak --suppress=internalAstError --suppress=arrayIndexThenCheck --suppress=invalidFunctionArg --suppress=missingInclude --suppress=unknownMacro -j2 -Iinclude -Isrc src
}
tidy() { # clang reads the flags that gcc was given, without those that only gcc knows
    mkdir -p "$build/tidy" || return 1
    sed -E 's/ -W(duplicated-cond|duplicated-branches|logical-op|arith-conversion)//g' \
        "$build/compile_commands.json" >"$build/tidy/compile_commands.json" || return 1
    git ls-files 'src/*.c' | xargs -P2 -n6 clang-tidy -p "$build/tidy" --quiet 2>/dev/null
}
signed_off() {
    for c in $(git rev-list HEAD); do
        git log -1 --format=%B "$c" | grep -q '^Signed-off-by: ' || { git log -1 --format='%h %s: no Signed-off-by' "$c"; return 1; }
    done
}
attacks() { tools/attacks.py --check; }
traces() { tools/check_trace.py docs/protocol-trace.md; }
manual_pages() { mandoc -T lint -W error "$build"/src/*.1 && bash -n "$build"/src/vouch.bash; }

checks=${*:-"layers format banned_calls file_sizes workplace_words spec_trace headers symbols shell cppcheck_ tidy signed_off manual_pages attacks traces"}
# shellcheck disable=SC2086 # a list of words
set -- $checks
echo "1..$#"
status=0
number=0
passed=0
for check in "$@"; do
    number=$((number + 1))
    if output=$($check 2>&1); then
        echo "ok $number - ${check%_}"
        passed=$((passed + 1))
    else
        echo "not ok $number - ${check%_}"
        printf '%s\n' "$output" | tail -n 40 | sed 's/^/# /'
        status=1
    fi
done
echo "$passed passed, $((number - passed)) failed"
exit $status
