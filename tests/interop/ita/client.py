#!/usr/bin/env python3
"""Drive Intel's unmodified Python client: reads one JSON object of wishes, prints one of results.

Only the adapter is ours: it asks vouch-sim for the quote that a device would give.
"""
import hashlib
import json
import subprocess
import sys

from inteltrustauthorityclient.base.evidence_adapter import EvidenceAdapter
from inteltrustauthorityclient.connector import config
from inteltrustauthorityclient.connector import connector as ita
from inteltrustauthorityclient.connector.evidence import Evidence, EvidenceType

WISHES = json.load(sys.stdin)


class SimulatedAdapter(EvidenceAdapter):
    def collect_evidence(self, nonce=None):
        held = WISHES["held"].encode()
        bound = (nonce or b"") + held
        tdx = WISHES["tee"] == "tdx"
        data = hashlib.sha512(bound).hexdigest() if tdx else hashlib.sha256(bound).hexdigest() + "00" * 32
        quote = subprocess.run([*WISHES["quote_command"], "--report-data", data], check=True,
                               capture_output=True, text=True).stdout.strip()
        if WISHES.get("corrupt"):
            quote = quote[:100] + ("A" if quote[100] != "A" else "B") + quote[101:]
        if WISHES.get("sleep"):
            subprocess.run(["sleep", str(WISHES["sleep"])], check=True)
        return Evidence(EvidenceType.TDX if tdx else EvidenceType.SGX, quote, None,
                        (held + b"x") if WISHES.get("other_data") else held)


class FixedNonce(ita.ITAConnector):
    """get_nonce answers what the wishes say: the rest is Intel's."""

    def get_nonce(self, args):
        return ita.GetNonceResponse({}, ita.VerifierNonce(**WISHES["nonce"]))


retry = config.RetryConfig(1, 1, 2)
settings = config.Config(retry, WISHES["url"], WISHES["url"], WISHES["key"])
client = (FixedNonce if "nonce" in WISHES else ita.ITAConnector)(settings)
args = ita.AttestArgs(SimulatedAdapter(), token_signing_alg=WISHES.get("alg"),
                      policy_must_match=WISHES.get("must_match"), request_id="interop-1",
                      policy_ids=WISHES.get("policy_ids"))
answer = client.attest_v2(args, None) if WISHES.get("v2") else client.attest(args)
claims = client.verify_token(answer.token) if answer is not None else None
json.dump({"token": answer.token if answer else None, "headers": answer.headers if answer else None,
           "claims": claims}, sys.stdout)
