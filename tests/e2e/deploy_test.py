#!/usr/bin/env python3
"""What is shipped for real hardware keeps its rules. The image is built by tests/interop/image_test.py.

usage: deploy_test.py CHECKOUT PROGRAM
"""
import pathlib
import re
import subprocess
import sys
import tomllib

import tap

CHECKOUT = pathlib.Path(sys.argv[1])
MANIFEST = CHECKOUT / "deploy/gramine/vouch.manifest.template"
DOCKERFILE = CHECKOUT / "deploy/docker/Dockerfile"
COMPOSE = CHECKOUT / "deploy/docker/compose.yaml"
# what the host may touch, and nothing else
OPEN = {"plan", "cert", "collateral", "data", "save", "logs", "reports"}


def manifest(role):
    text = MANIFEST.read_text()
    text = re.sub(r'\{\{ 1 if role == "aggregator" else 2 \}\}', "1" if role == "aggregator" else "2", text)
    for name, value in {"gramine.libos": "/g/libsysdb.so", "gramine.runtimedir()": "/g/runtime",
                        "role": role, "log_level": "error"}.items():
        text = text.replace("{{ " + name + " }}", value)
    assert "{{" not in text, "a variable that this test does not know"
    return tomllib.loads(text)


def settings(tree, prefix=""):
    for key, value in tree.items():
        yield prefix + key, value
        if isinstance(value, dict):
            yield from settings(value, prefix + key + ".")


def the_manifest_attests_and_is_not_for_debugging():
    for role in ("aggregator", "collaborator"):
        m = manifest(role)
        assert m["sgx"]["remote_attestation"] == "dcap" and m["sgx"]["debug"] is False
        assert m["sgx"].get("file_check_policy", "strict") == "strict"
        assert m["sys"]["disallow_subprocesses"] is True


def no_setting_that_gramine_calls_insecure_is_used():
    names = [name for name, _ in settings(manifest("aggregator"))]
    assert len(names) > 30
    assert not [n for n in names if "insecure" in n or "debug__" in n or "experimental" in n]


def arguments_are_measured_and_the_environment_is_a_list():
    for role in ("aggregator", "collaborator"):
        loader = manifest(role)["loader"]
        assert loader["argv"][:3] == ["vouch", role, "start"]
        passed = {n for n, v in loader["env"].items() if isinstance(v, dict)}
        assert passed == {"VOUCH_NAME", "AVS_URL", "ITA_API_KEY"}, passed
        assert loader["env"]["VOUCH_ATTESTATION_DIR"] == "/dev/attestation"


def the_two_roles_differ_in_product_id():
    assert manifest("aggregator")["sgx"]["isvprodid"] != manifest("collaborator")["sgx"]["isvprodid"]


def everything_that_runs_or_decides_is_trusted():
    sgx = manifest("aggregator")["sgx"]
    for needed in ("file:/usr/local/bin/vouch", "file:/lib/x86_64-linux-gnu/", "file:/usr/lib/x86_64-linux-gnu/",
                   "file:/etc/ssl/certs/ca-certificates.crt"):
        assert needed in sgx["trusted_files"], needed
    assert {f.removeprefix("file:/workspace/").rstrip("/") for f in sgx["allowed_files"]} == OPEN
    assert all(f.startswith("file:/workspace/") for f in sgx["allowed_files"])


def containers_run_confined_with_the_enclave_device_only():
    text = COMPOSE.read_text()
    assert "unconfined" not in text and "privileged: true" not in text
    assert "/dev/sgx_enclave" in text and "/dev/sgx_provision" not in text
    assert "cap_drop: [ALL]" in text and "no-new-privileges:true" in text and "core: 0" in text
    assert set(re.findall(r":/workspace/(\w+)", text)) == OPEN
    # what the participant only reads is mounted read-only
    for name in ("plan", "cert", "collateral", "data"):
        assert not re.search(rf":/workspace/{name}$", text, re.M), name


def the_page_names_every_variable_of_the_compose_file():
    page = (CHECKOUT / "docs/real-hardware.md").read_text()
    for name in set(re.findall(r"\$\{(\w+)", COMPOSE.read_text())):
        assert name in page, name
    for command in re.findall(r"`vouch ([a-z]+)", page):
        assert command in ("doctor", "collateral", "workspace", "aggregator", "collaborator", "plan", "policy",
                           "measure", "passport", "demo"), command


def what_is_said_in_place_of_graminize_can_be_typed():
    said = subprocess.run([sys.argv[2], "workspace", "graminize", "--help"], capture_output=True, text=True, check=True).stdout
    recipe = DOCKERFILE.read_text()
    target, secret = re.search(r"--target (\w+)", said)[1], re.search(r"id=([\w-]+)", said)[1]
    assert re.search(rf"^FROM \w+ AS {target}$", recipe, re.M) and f"id={secret}" in recipe, (target, secret)
    roles = re.search(r"for role in (.*?);", recipe)[1].split()
    assert re.findall(r"/opt/vouch/(\w+)\.sig", said) == roles, roles
    setting, file = re.search(r"is (sgx\.\w+) in (\S+)\.", said).groups()
    assert re.search(rf"^{re.escape(setting)} = ", (CHECKOUT / file).read_text(), re.M), (setting, file)
    for path in [re.search(r"-f (\S+)", said)[1], re.search(r"started: (\S+)", said)[1]]:
        assert (CHECKOUT / path).is_file(), path


tap.run(the_manifest_attests_and_is_not_for_debugging, no_setting_that_gramine_calls_insecure_is_used,
        arguments_are_measured_and_the_environment_is_a_list, the_two_roles_differ_in_product_id,
        everything_that_runs_or_decides_is_trusted, containers_run_confined_with_the_enclave_device_only,
        the_page_names_every_variable_of_the_compose_file, what_is_said_in_place_of_graminize_can_be_typed)
