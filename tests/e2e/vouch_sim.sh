#!/bin/sh
# vouch-sim from the outside: platforms, measurements, quotes, a program that runs. Prints TAP.
# usage: vouch_sim.sh VOUCH_SIM
set -u
sim=$1
dir=$(mktemp -d) || exit 1
trap 'rm -rf "$dir"' EXIT
export TMPDIR="$dir"
count=0

result() { # STATUS NAME
    count=$((count + 1))
    if [ "$1" -eq 0 ]; then echo "ok $count - $2"; else echo "not ok $count - $2"; fi
}
exits() { # WANTED COMMAND...
    wanted=$1
    shift
    "$@" >"$dir/out" 2>"$dir/err"
    got=$?
    [ $got -eq "$wanted" ] || { echo "# exit status $got: $*"; sed 's/^/# /' "$dir/err"; }
    [ $got -eq "$wanted" ]
}
json() { # MEMBER: its text in the last output
    sed -n "s/.*\"$1\":\"\([^\"]*\)\".*/\1/p" "$dir/out"
}
report_data=$(printf '%0128d' 7)

exits 0 "$sim" platform create "$dir/a" --vendor "$dir/vendor" --json &&
    [ "$(json root)" = "$dir/a/root.pem" ] && [ ${#report_data} -eq 128 ] && root=$(json root_sha256) &&
    [ ${#root} -eq 64 ] && grep -q '"simulated":true' "$dir/out"
result $? "a platform names its root and its digest"

exits 0 "$sim" platform create "$dir/b" --vendor "$dir/vendor" --tcb-status OutOfDate \
    --advisory INTEL-SA-00615 --json && [ "$(json root_sha256)" = "$root" ]
result $? "a second platform of the vendor has the same root"

exits 2 "$sim" platform create "$dir/a"
result $? "a platform is not made twice in one place"

exits 2 "$sim" platform create "$dir/c" --tcb-status Wonderful
result $? "an unknown TCB status is refused"

exits 0 "$sim" measure --json -- sh -c anything && first=$(json mrenclave) &&
    exits 0 "$sim" measure --json -- sh && [ "$(json mrenclave)" = "$first" ]
result $? "the words after the program are not measured"

cp /bin/sh "$dir/sh" && printf x >>"$dir/sh"
exits 0 "$sim" measure --json -- "$dir/sh" && [ "$(json mrenclave)" != "$first" ]
result $? "a program altered by one byte has another measurement"

printf '#!/bin/sh\n' >"$dir/script" && chmod +x "$dir/script"
exits 2 "$sim" measure -- "$dir/script"
result $? "a script is refused, its interpreter would go unmeasured"

exits 0 "$sim" quote --platform "$dir/a" --report-data "$report_data" --mrenclave "$first" &&
    base64 -d "$dir/out" >"$dir/quote" && [ "$(od -An -tx1 -N2 "$dir/quote" | tr -d ' ')" = 0300 ] &&
    od -An -v -tx1 -j112 -N32 "$dir/quote" | tr -d ' \n' | grep -q "^$first$" &&
    od -An -v -tx1 -j368 -N64 "$dir/quote" | tr -d ' \n' | grep -q "^$report_data$"
result $? "a quote carries the measurement and the report data"

exits 2 "$sim" quote --platform "$dir/a" --report-data 00
result $? "report data of another size is refused"

exits 2 "$sim" run --platform "$dir/a" --tee tdx -- true
result $? "an SGX platform does not run as TDX"

# The reader of the pseudo-files here is the shell: redirections open without O_NONBLOCK.
exits 7 "$sim" run --platform "$dir/a" -- sh -c '
    cd "$VOUCH_ATTESTATION_DIR" || exit 1
    [ "$(cat attestation_type)" = dcap ] || exit 2
    [ "$(wc -c <keys/_sgx_mrenclave)" -eq 16 ] || exit 3
    printf "%064d" 5 >user_report_data
    cat quote >'"$dir"'/quote
    printf "%063d" 5 >user_report_data
    [ "$(cat quote | wc -c)" -eq 0 ] || exit 4
    pwd >'"$dir"'/place
    exit 7' && grep -q "simulated SGX, MRENCLAVE $first" "$dir/err" &&
    od -An -v -tx1 -j112 -N32 "$dir/quote" | tr -d ' \n' | grep -q "^$first$" &&
    tail -c +369 "$dir/quote" | head -c 64 | grep -q '^0*5$'
result $? "a program gets quotes over its own bytes, and its exit status is passed on"

[ ! -e "$(cat "$dir/place")" ]
result $? "the files are gone when the program has ended"

exits 0 "$sim" platform create "$dir/t" --tee tdx &&
    exits 0 "$sim" run --platform "$dir/t" -- true && grep -q 'only in simulation' "$dir/err"
result $? "a TDX run says that this path exists only in simulation"

"$sim" run --platform "$dir/a" -- sh -c 'echo "$VOUCH_ATTESTATION_DIR" >'"$dir"'/place2
    exec sleep 600' 2>/dev/null &
pid=$!
tries=0
while [ ! -s "$dir/place2" ] && [ $tries -lt 100 ]; do tries=$((tries + 1)); sleep 0.1; done
kill -TERM $pid
wait $pid
status=$?
[ $status -eq 143 ] && [ -s "$dir/place2" ] && [ ! -e "$(cat "$dir/place2")" ]
result $? "SIGTERM ends the program and removes the files"

exits 0 "$sim" --help && exits 0 "$sim" run --help && exits 2 "$sim" fly
result $? "help is there, an unknown command is refused"

echo "1..$count"
