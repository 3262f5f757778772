#!/bin/sh
# The commands of a workspace, as a person types them: authority, certificates, plan, packages.
set -u
vouch=$1
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
number=0
failed=0

check() { # name, then a command that must succeed
    name=$1
    shift
    number=$((number + 1))
    if "$@" >"$dir/out" 2>"$dir/err"; then
        echo "ok $number - $name"
    else
        failed=$((failed + 1))
        echo "not ok $number - $name"
        sed 's/^/# /' "$dir/out" "$dir/err"
    fi
}

status() { # wanted exit status, then a command
    wanted=$1
    shift
    "$@"
    test $? -eq "$wanted"
}

refuses() { # wanted words on stderr, wanted status, then a command
    words=$1
    wanted=$2
    shift 2
    "$@" 2>"$dir/refusal"
    test $? -eq "$wanted" && grep -q -- "$words" "$dir/refusal"
}

answers() { # wanted words on stdout, then a command
    words=$1
    shift
    "$@" | grep -q -- "$words"
}

in_dir() (
    cd "$1" && shift && "$@"
)

no() {
    echo n | "$@"
}

cd "$dir" || exit 1
check "a workspace is made" "$vouch" workspace create --prefix fed
check "a workspace is not made twice" status 2 "$vouch" workspace create --prefix fed
check "an unknown template is refused by name" refuses "torch/mnist" 2 "$vouch" workspace create --prefix x --template torch/mnist
check "with a list of what there is" refuses "vouch/mlp|vouch/numpy|vouch/pytorch" 2 "$vouch" workspace create --prefix x --template torch/mnist
check "so is one without a name" refuses "vouch/mlp|vouch/numpy|vouch/pytorch" 2 "$vouch" workspace create --prefix x --template
mkdir site
cd fed || exit 1
check "an authority is made" "$vouch" workspace certify
check "an authority in use is not replaced" refuses "--force" 2 "$vouch" workspace certify
check "the aggregator asks for its certificate" "$vouch" aggregator generate-cert-request --fqdn Agg.Example.org
check "nothing is signed after a no" status 1 no "$vouch" aggregator certify --fqdn agg.example.org
check "nothing is written after a no" test ! -e cert/server/agg_agg.example.org.crt
check "the aggregator's certificate is signed" "$vouch" aggregator certify -n agg.example.org -s
check "a key in use is not replaced" refuses "--force" 2 "$vouch" aggregator generate-cert-request --fqdn agg.example.org
check "a collaborator asks for its certificate" in_dir ../site "$vouch" collaborator generate-cert-request -n Col1 -s
check "its key is its own alone" test "$(stat -c %a ../site/cert/client/col_col1.key)" = 600
check "its request is signed" "$vouch" collaborator certify --request-pkg ../site/col_col1_to_agg_cert_request.zip -s
check "it is listed" grep -qx -- "- col1" plan/cols.yaml
check "its certificate is installed" in_dir ../site "$vouch" collaborator certify --import ../fed/agg_to_col_col1_signed_cert.zip
check "the package of a request is no answer" refuses "no certificate" 2 in_dir ../site "$vouch" collaborator certify --import col_col1_to_agg_cert_request.zip
check "a strict verifier takes the server's certificate" openssl verify -x509_strict -purpose sslserver -CAfile cert/cert_chain.crt cert/server/agg_agg.example.org.crt
check "a strict verifier takes the client's certificate" openssl verify -x509_strict -purpose sslclient -CAfile cert/ca/root-ca.crt -untrusted cert/ca/signing-ca.crt ../site/cert/client/col_col1.crt
check "a data path may be noted with the request" in_dir ../site "$vouch" collaborator generate-cert-request -n early -d data/early -s -x
check "and is" grep -qx "early,data/early" ../site/plan/data.yaml
check "a data path is noted" "$vouch" collaborator create -n col1 -d "data/all.csv#0/2"
check "the data path stands there" grep -qx "col1,data/all.csv#0/2" plan/data.yaml
check "the plan's model is made" answers '"tensors": 4' "$vouch" plan initialize -a agg.example.org --json
check "the address stands in the plan" grep -q "agg_addr: agg.example.org" plan/plan.yaml
"$vouch" plan hash | head -n 1 >"hash"
check "the hash is that of the printed plan" sh -c "'$vouch' plan print | sha384sum | cut -d' ' -f1 | cmp - hash"
check "the plan is frozen" "$vouch" plan freeze
check "the frozen plan has the same hash" sh -c "'$vouch' plan hash -p plan/plan_*.yaml | head -1 | cmp - hash"
sed 's/rounds_to_train: 10/rounds_to_tran: 10/' plan/plan.yaml >plan/wrong.yaml
check "a mistake is told at its line" refuses "wrong.yaml:[0-9]*:5: .*rounds_to_train" 2 "$vouch" plan hash -p plan/wrong.yaml
check "a missing plan is told as such" status 3 "$vouch" plan hash -p plan/none.yaml
check "an unknown release is refused" refuses "1.5 to 1.9" 2 "$vouch" plan hash --openfl-release 0.9
rm -f plan/plan_*.yaml
check "the workspace is packed" answers "plan/plan_[0-9a-f]*.yaml" "$vouch" workspace export -o "--no-deps" -o "-q"
check "with its plan frozen" sh -c "'$vouch' plan hash -p plan/plan_*.yaml | head -1 | cmp - hash"
check "under its own name" test -e fed.zip -a ! -e ./--no-deps
cp plan/plan.yaml good.yaml
cp plan/wrong.yaml plan/plan.yaml
check "a plan with a mistake is packed as it stands, and the mistake is told" refuses "not frozen.*plan.yaml:[0-9]*:5: .*rounds_to_train" 0 "$vouch" workspace export --output broken.zip
mv good.yaml plan/plan.yaml
rm broken.zip
check "fx's -o is no file" refuses "--output other.zip" 2 "$vouch" workspace export -o other.zip
mkdir ../other
check "the workspace is unpacked elsewhere" in_dir ../other "$vouch" workspace import --archive ../fed/fed.zip
check "no key travelled" test -z "$(find ../other -name '*.key' -o -name '*.crt' -o -name '*.pbuf')"
check "the plan is the same there" sh -c "'$vouch' plan hash -p ../other/fed/plan/plan.yaml | head -1 | cmp - hash"
check "a plan is saved under a name" "$vouch" plan save -n default
check "and under another" answers "Switch plan to second" "$vouch" plan save -n second
check "which is then the one in use" answers "The current plan is: second" "$vouch" plan show
sed -i 's/rounds_to_train: 10/rounds_to_train: 11/' plan/plan.yaml
check "the first comes back as it was" "$vouch" plan switch -n default
check "it is that plan" sh -c "'$vouch' plan hash | head -1 | cmp - hash"
check "a plan that is not there is refused" refuses "no plan 'third'" 2 "$vouch" plan switch -n third
check "a plan's name is no path" refuses "a plan's name" 2 "$vouch" plan save -n ../x
check "a saved plan is removed" "$vouch" plan remove -n second
check "and is gone" test ! -e plan/plans/second
check "the default plan is not removed" refuses "cannot be removed" 2 "$vouch" plan remove -n default
ln -s "$vouch" ../fx
check "through a link it goes by that name" answers "^usage: fx plan hash" ../fx plan hash --help
check "through a link it lists its commands by that name" answers "^usage: fx COMMAND" ../fx --help
check "through a link it does the same" sh -c "../fx plan hash | head -1 | cmp - hash"
check "through a link it fails by that name" refuses "^fx plan hash: " 3 ../fx plan hash -p plan/none.yaml
check "it takes what fx takes before the verb" sh -c "../fx -l WARNING --no-warnings plan hash | head -1 | cmp - hash"
check "and in place of one, the version" answers "^fx [0-9]" ../fx -v
check "a missing option says where to look" refuses "prefix DIR is missing (see vouch workspace create --help)" 2 "$vouch" workspace create
check "through a link by that name" refuses "prefix DIR is missing (see fx workspace create --help)" 2 ../fx workspace create
check "a level that fx does not know is refused" refuses "no log level 'loud'" 2 ../fx -l loud plan hash
check "a level without its word is refused" refuses "wants a level" 2 ../fx -l
check "under its own name it takes none of that" status 2 "$vouch" -l WARNING plan hash
check "fx's options of plan initialize are taken" ../fx plan initialize -f "[1,2]" -r false -a agg.example.org
cp save/init.pbuf given.pbuf
check "a model that is there may be the initial one" answers "save/init.pbuf: 4 tensors" ../fx plan initialize -i given.pbuf
check "and is it" cmp save/init.pbuf given.pbuf
sed 's/- 32$/- 7/' plan/plan.yaml >plan/narrow.yaml
check "but one of other tensors is not" refuses "init_model_path 'given.pbuf'" 2 ../fx plan initialize -i given.pbuf -p plan/narrow.yaml
check "but for one, with the reason" refuses "not served" 2 ../fx plan initialize -g x.yaml
check "every command explains itself" sh -c "
    for c in 'plan initialize' 'plan print' 'plan hash' 'plan freeze' 'workspace create' \
        'workspace certify' 'workspace export' 'workspace import' 'aggregator certify' \
        'aggregator generate-cert-request' 'collaborator create' 'collaborator certify' \
        'collaborator generate-cert-request'; do
        '$vouch' \$c --help | grep -q 'vouch' || exit 1
    done"
mkdir -p data/set/deep
printf 'a,b\n1,2\n' >data/set/one.csv
printf 'x' >data/set/deep/two.bin
ln -s . data/set/deep/round # no walk goes there
ln -s one.csv data/set/link.csv
printf 'y' >data/three
echo '{"first": {"type": "local", "params": {"path": "data/set"}}, "second": {"type": "local", "params": {"path": "data/three"}}, "again": {"type": "local", "params": {"path": "./data//set/deep/two.bin"}}}' >data/datasources.json
sha384sum data/set/one.csv data/set/one.csv data/set/deep/two.bin data/three | cut -d' ' -f1 | sort | tr -d '\n' | sha384sum | cut -d' ' -f1 >wanted
check "a data set is hashed" sh -c "'$vouch' collaborator calchash -j data | head -1 | cmp - wanted"
check "and the hash kept" sh -c "tr -d '\n' <wanted | cmp - data/hash.txt"
sources() { echo "$1" >data/datasources.json; }
sources '{"far": {"type": "s3", "params": {"uri": "s3://x"}}}'
check "a source elsewhere is refused" refuses "source 'far' is of type 's3'" 2 "$vouch" collaborator calchash -j data
sources '{"out": {"type": "local", "params": {"path": "data/../../fed"}}}'
check "so is one that leaves the workspace" refuses "leaves this directory" 2 "$vouch" collaborator calchash -j data
sources '{"out": {"type": "local", "params": {"path": "/etc"}}}'
check "by its root too" refuses "leaves this directory" 2 "$vouch" collaborator calchash -j data
sources '{"none": {"type": "local", "params": {"path": "data/nothing"}}}'
check "and one that is not there" refuses "there is no 'data/nothing'" 3 "$vouch" collaborator calchash -j data
sources '{}'
check "no source is no data set" refuses "names no source" 2 "$vouch" collaborator calchash -j data
mkfifo data/set/pipe
sources '{"first": {"type": "local", "params": {"path": "data/set"}}}'
check "what is no file is refused" refuses "neither a file nor a directory" 2 "$vouch" collaborator calchash -j data
check "a group lists its verbs" answers "^  hash  *print a plan's hash" "$vouch" plan --help
check "under a link by that name" answers "^usage: fx plan COMMAND" ../fx plan -h
check "every group lists its verbs" sh -c "
    for g in aggregator cert collateral collaborator passport plan policy quote token workspace; do
        '$vouch' \$g --help | grep -q \"^usage: vouch \$g COMMAND\" || exit 1
    done"
check "a group alone lists its verbs and does nothing" refuses "^  initialize " 2 "$vouch" plan
check "a verb that no group has is unknown" refuses "unknown command 'plan hsah'; did you mean 'plan hash'" 2 "$vouch" plan hsah
check "what is not served is in no list of commands" sh -c "! '$vouch' --help | grep -E 'graminize|^  director|^  pki'"
check "but in its group's" answers "graminize .*not served" "$vouch" workspace --help
check "an enclave's image is not made of a workspace, and it says what is" refuses "--target sgx -t TAG --secret id=signing-key,src=KEY \.$" 2 ../fx workspace graminize -s key.pem
check "how it is measured" refuses "TAG measure --sgx /opt/vouch/aggregator.sig$" 2 ../fx workspace graminize
check "and where its size is set" refuses "sgx.enclave_size in deploy/gramine/vouch.manifest.template" 2 ../fx workspace graminize -e 16G
check "help says so too" answers "workspace graminize is not served: an enclave's image" ../fx workspace graminize --help
check "the interactive API is refused" refuses "director start is not served.*collaborator start" 2 ../fx director start
check "so is step-ca" refuses "pki install is not served.*workspace certify" 2 ../fx pki install -p x
echo "1..$number"
exit $((failed > 0))
