#!/bin/sh
# examples/verify_quote.c, built with pkg-config against an installed libvouch, verifies a genuine quote and
# refuses it after its collateral has expired.
# usage: installed_library.sh BUILD SOURCE      Speaks TAP.
set -u
build=$1
source=$2
scratch=$(mktemp -d) || exit 70
trap 'rm -rf "$scratch"' EXIT
number=0
status=0

check() { # sentence, command...
    number=$((number + 1))
    sentence=$1
    shift
    if output=$("$@" 2>&1); then
        echo "ok $number - $sentence"
    else
        echo "not ok $number - $sentence"
        printf '%s\n' "$output" | tail -n 20 | sed 's/^/# /'
        status=1
    fi
}

compile() { # extra pkg-config words, output
    pc=$(find "$scratch/root" -name libvouch.pc)
    PKG_CONFIG_PATH=$(dirname "$pc") && export PKG_CONFIG_PATH
    PKG_CONFIG_SYSROOT_DIR=$scratch/root && export PKG_CONFIG_SYSROOT_DIR
    # shellcheck disable=SC2046 # lists of words
    ${CC:-cc} -std=c17 -Wall -Wextra -Werror -o "$scratch/verify_quote" "$source/examples/verify_quote.c" \
        $(pkg-config --cflags --libs libvouch)
}

run() { # time
    library=$(dirname "$(find "$scratch/root" -name libvouch.so)")
    LD_LIBRARY_PATH=$library "$scratch/verify_quote" "$quote" "$scratch/collateral" "$1"
}

refuses() { ! run "$1"; }
says_genuine() { run "$1" | grep -x 'genuine SWHardeningNeeded'; }
hides_internals() { ! nm -D --defined-only "$(find "$scratch/root" -name libvouch.so)" | grep ' vch_'; }

corpus=$source/tests/vectors/quotes
quote=$corpus/quote/268c06813379d1af.bin
mkdir "$scratch/collateral"
cp "$corpus/collateral/1316cacf45d39079.tcb.json" "$scratch/collateral/tcb_info.json"
cp "$corpus/collateral/314bda27a571e42e.qe.json" "$scratch/collateral/qe_identity.json"
cp "$corpus/collateral/8b661233b516d13e.crl.der" "$scratch/collateral/pck_crl.der"
cp "$corpus/collateral/ad6f3f4e0673bb14.crl.der" "$scratch/collateral/root_ca_crl.der"
cp "$corpus/collateral/6d58c08156552520.chain.pem" "$scratch/collateral/tcb_info_issuer_chain.pem"
cp "$corpus/collateral/6d58c08156552520.chain.pem" "$scratch/collateral/qe_identity_issuer_chain.pem"

echo "1..5"
check "libvouch installs" meson install -C "$build" --no-rebuild --destdir "$scratch/root"
check "the example compiles against the installed copy" compile
check "a genuine quote verifies" says_genuine 1756530546
check "the same quote is refused when its collateral has expired" refuses 1900000000
check "internal names stay inside" hides_internals
exit $status
