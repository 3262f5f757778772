#!/usr/bin/env python3
"""`vouch doctor` on hosts made of a few files each, and in a simulated enclave.

usage: doctor_test.py VOUCH VOUCH_SIM
"""
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

import tap

VOUCH, SIM = sys.argv[1:3]
HOME = tempfile.TemporaryDirectory()
SGX_HOST = {"proc/cpuinfo": "flags\t\t: fpu sgx sgx_lc aes\n", "dev/sgx_enclave": "", "run/aesmd/aesm.socket": "",
            "etc/sgx_default_qcnl.conf": "{}"}
IN_GRAMINE = {"dev/attestation/attestation_type": "dcap", "dev/attestation/keys/_sgx_mrenclave": "0123456789abcdef"}
AZURE = "7783-7084-3265-9085-8269-3286-77\n"


def host(files):
    tree = pathlib.Path(HOME.name) / "host"
    shutil.rmtree(tree, ignore_errors=True)
    tree.mkdir()
    for name, text in files.items():
        (tree / name).parent.mkdir(parents=True, exist_ok=True)
        (tree / name).write_text(text)
    return tree


def doctor(*words, prefix=(), status=None):
    environment = {"PATH": os.environ["PATH"], "ASAN_OPTIONS": os.environ.get("ASAN_OPTIONS", "")}
    done = subprocess.run([*map(str, prefix), VOUCH, "doctor", "--json", *map(str, words)], text=True, timeout=60,
                          capture_output=True, env=environment)
    answer = json.loads(done.stdout)
    assert done.returncode == (0 if answer["can_attest"] else 1), done
    assert status is None or done.returncode == status, done.stdout
    found = {f["check"]: f for f in answer["findings"]}
    assert len(found) == len(answer["findings"]), "a check is told twice"
    for finding in found.values():
        assert finding["state"] != "missing" or finding["remedy"], finding
    return answer, found


def an_enclave_of_gramine_can_attest():
    answer, found = doctor("--tree", host(IN_GRAMINE), status=0)
    assert answer["tee"] == "sgx" and found["device"]["state"] == "ok" and found["sealing"]["state"] == "ok", answer


def an_enclave_without_a_sealing_key_cannot():
    _, found = doctor("--tree", host({"dev/attestation/attestation_type": "dcap"}), status=1)
    assert found["sealing"]["state"] == "missing"


def an_enclave_without_remote_attestation_is_told_what_its_manifest_lacks():
    _, found = doctor("--tree", host({"dev/attestation/attestation_type": "none"}), status=1)
    assert "sgx.remote_attestation" in found["device"]["message"], found


def an_sgx_host_has_all_but_the_enclave():
    _, found = doctor("--tree", host(SGX_HOST), status=1)
    assert [found[f"sgx.{c}"]["state"] for c in ("processor", "driver", "aesmd", "pccs")] == ["ok"] * 4, found
    assert found["device"]["state"] == "missing" and "gramine-sgx" in found["device"]["remedy"]


def each_part_that_an_sgx_host_lacks_is_named():
    for missing, check, state in (("dev/sgx_enclave", "driver", "missing"), ("run/aesmd/aesm.socket", "aesmd", "missing"),
                                  ("etc/sgx_default_qcnl.conf", "pccs", "absent")):
        files = {name: text for name, text in SGX_HOST.items() if name != missing}
        _, found = doctor("--tree", host(files), status=1)
        assert found[f"sgx.{check}"]["state"] == state and found[f"sgx.{check}"]["remedy"], found


def another_flag_that_begins_alike_is_not_sgx():
    _, found = doctor("--tree", host({"proc/cpuinfo": "flags\t\t: fpu sgx_lc aes\n"}), status=1)
    assert found["sgx.processor"]["state"] == "absent"


def a_td_is_told_what_it_lacks():
    _, found = doctor("--tree", host({"proc/cpuinfo": "flags\t\t: fpu tdx_guest\n"}), status=1)
    assert found["tdx.guest"]["state"] == "ok" and "image" in found["tdx.guest"]["message"]
    assert found["tdx.driver"]["state"] == "missing" and found["tdx.tsm"]["state"] == "missing", found
    assert found["tdx.eventlog"]["state"] == "absent"


def what_is_not_supported_is_named():
    _, found = doctor("--tree", host({"dev/sev-guest": ""}), status=1)
    assert found["sev-snp"]["state"] == "unsupported" and "SEV-SNP" in found["sev-snp"]["message"]
    azure = {"sys/class/dmi/id/chassis_asset_tag": AZURE, "dev/tpmrm0": ""}
    _, found = doctor("--tree", host(azure), status=1)
    assert found["azure.vtpm"]["state"] == "unsupported" and "Azure" in found["azure.vtpm"]["message"]
    _, found = doctor("--tree", host({"dev/tpmrm0": ""}), status=1)
    assert "azure.vtpm" not in found and "sev-snp" not in found


def collateral_and_network_are_looked_at_when_asked():
    tree = host(IN_GRAMINE)
    _, found = doctor("--tree", tree)
    assert "collateral" not in found and "network" not in found
    _, found = doctor("--tree", tree, "--collateral-dir", "/no/such", "--url", "https://127.0.0.1:1/", status=1)
    assert found["collateral"]["state"] == "missing" and found["network"]["state"] == "missing", found


def a_simulated_enclave_is_a_device_and_its_collateral_is_read():
    platform = pathlib.Path(HOME.name) / "platform"
    subprocess.run([SIM, "platform", "create", platform], check=True, capture_output=True)
    answer, found = doctor("--collateral-dir", platform / "collateral",
                           prefix=(SIM, "run", "--platform", platform, "--"), status=0)
    assert answer["device"] and found["collateral"]["state"] == "ok", answer
    assert "verified quote tells" in found["device"]["message"]


def the_text_says_the_same():
    done = subprocess.run([VOUCH, "doctor", "--tree", str(host(SGX_HOST))], capture_output=True, text=True, timeout=60)
    assert done.returncode == 1 and "missing      device" in done.stdout and "remedy: " in done.stdout
    assert "cannot attest itself" in done.stdout


tap.run(an_enclave_of_gramine_can_attest, an_enclave_without_a_sealing_key_cannot,
        an_enclave_without_remote_attestation_is_told_what_its_manifest_lacks, an_sgx_host_has_all_but_the_enclave,
        each_part_that_an_sgx_host_lacks_is_named, another_flag_that_begins_alike_is_not_sgx,
        a_td_is_told_what_it_lacks, what_is_not_supported_is_named, collateral_and_network_are_looked_at_when_asked,
        a_simulated_enclave_is_a_device_and_its_collateral_is_read, the_text_says_the_same)
