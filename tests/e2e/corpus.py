#!/usr/bin/env python3
"""Drive every case of the quote corpus through `vouch quote verify`.

usage: corpus.py VOUCH CORPUS

A case passes if result, tcb_status, advisory_ids and the exit status agree with the manifest. Speaks TAP.
"""
import concurrent.futures
import json
import os
import subprocess
import sys
import tempfile

NAMES = {
    "tcb_info": "tcb_info.json",
    "tcb_info_issuer_chain": "tcb_info_issuer_chain.pem",
    "qe_identity": "qe_identity.json",
    "qe_identity_issuer_chain": "qe_identity_issuer_chain.pem",
    "pck_crl": "pck_crl.der",
    "root_ca_crl": "root_ca_crl.der",
    "pck_chain": "pck_chain.pem",
}


def run(vouch, corpus, scratch, number, case):
    """What the program says of a case: its JSON object, its exit status and its complaints."""
    directory = os.path.join(scratch, str(number))
    os.mkdir(directory)
    for key, name in NAMES.items():
        if key in case["files"]:
            os.symlink(os.path.join(corpus, case["files"][key]), os.path.join(directory, name))
    command = [vouch, "quote", "verify", os.path.join(corpus, case["files"]["quote"]),
               "--collateral-dir", directory, "--at", str(case["time"]),
               "--root", os.path.join(corpus, case["files"]["root_ca"]), "--raw-verdict", "--json"]
    process = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    return process


def faults(case, process):
    """What disagrees with the manifest; an empty list if nothing does."""
    try:
        said = json.loads(process.stdout)
    except json.JSONDecodeError:
        return [f"no JSON, exit status {process.returncode}: {process.stderr.strip()[:300]}"]
    want = case["expected"]
    pairs = [("result", want["result"]), ("tcb_status", want.get("tcb_status"))]
    if want["result"] == "ok":
        pairs.append(("advisory_ids", want["advisory_ids"]))
    for extra in ("current_tcb_status", "current_advisory_ids"):
        if extra in want:
            pairs.append((extra, want[extra]))
    found = [f"{key} is {said.get(key)!r}, expected {value!r}" for key, value in pairs
             if said.get(key) != value]
    status = 0 if want["result"] == "ok" else 1
    if process.returncode != status:
        found.append(f"exit status {process.returncode}, expected {status}")
    if (want["result"] == "ok") == bool(said.get("reasons")):
        found.append(f"reasons: {said.get('reasons')}")
    for reason in said.get("reasons", []):
        found += [f"reason {reason} has no {key}" for key in ("step", "code", "message", "expected", "actual")
                  if not reason.get(key)]
    synthetic = case["kind"] == "synthetic_test_pki"
    if want["result"] == "ok" and case["kind"] == "genuine" and said["simulated"]:
        found.append("a genuine chain is called simulated")
    if want["result"] == "ok" and synthetic and not said["simulated"]:
        found.append("a chain under a test root is not called simulated")
    return found


def main():
    vouch, corpus = sys.argv[1], os.path.abspath(sys.argv[2])
    with open(os.path.join(corpus, "manifest.json"), encoding="utf-8") as file:
        cases = json.load(file)["cases"]
    failed = 0
    with tempfile.TemporaryDirectory() as scratch, \
            concurrent.futures.ThreadPoolExecutor(2) as pool:
        runs = pool.map(lambda item: run(vouch, corpus, scratch, *item), enumerate(cases))
        for number, (case, process) in enumerate(zip(cases, runs), 1):
            found = faults(case, process)
            failed += bool(found)
            print(f"{'not ok' if found else 'ok'} {number} - {case['id']}")
            for fault in found:
                print(f"# {fault}")
    print(f"1..{len(cases)}")
    return 1 if failed or not cases else 0


if __name__ == "__main__":
    sys.exit(main())
