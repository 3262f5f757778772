#!/usr/bin/env python3
"""Evidence and collateral that are signed as they should be, and wrong all the same.

usage: hostile_evidence_test.py PROGRAMS        Speaks TAP.

The keys of a simulated vendor and platform sign whatever a test makes up, so that only the one check in question
stands between a made-up quote and a verdict. `vouch quote verify --raw-verdict` judges.
"""
import base64
import hashlib
import json
import os
import re
import shutil
import struct
import subprocess
import sys
import tempfile

import tap

PROGRAMS = os.path.abspath(sys.argv[1])
SCRATCH = tempfile.mkdtemp(prefix="hostile-evidence-")
ORDER = 0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551
REPORT, QE_SIGNATURE = 384, 64


def run(*words, **more):
    return subprocess.run(words, check=True, capture_output=True, timeout=60, **more).stdout


def sign(key, message):
    """r || s of ECDSA with SHA-256, by openssl."""
    der = run("openssl", "dgst", "-sha256", "-sign", key, input=message)
    numbers, at = [], 2
    for _ in range(2):
        size = der[at + 1]
        numbers.append(int.from_bytes(der[at + 2:at + 2 + size], "big"))
        at += 2 + size
    return b"".join(n.to_bytes(32, "big") for n in numbers)


def point(key):
    """X || Y of a private key."""
    return run("openssl", "ec", "-in", key, "-pubout", "-outform", "DER")[-64:]


class Platform:
    """A simulated platform of one TEE, its quote and its collateral, all to be changed."""

    def __init__(self, tee, *words):
        self.tee = tee
        self.dir = tempfile.mkdtemp(dir=SCRATCH)
        run(f"{PROGRAMS}/vouch-sim", "platform", "create", self.dir, "--tee", tee)
        text = run(f"{PROGRAMS}/vouch-sim", "quote", "--platform", self.dir, "--report-data", "5a" * 64, *words)
        self.quote = base64.b64decode(text)
        self.collateral = os.path.join(self.dir, "collateral")
        self.pck, self.attestation = (os.path.join(self.dir, k) for k in ("pck.key", "attestation.key"))
        self.signer = os.path.join(self.dir, "vendor", "signing.key")

    def verify(self, quote=None, **documents):
        """(result, codes, status) of a quote, with members of documents replaced: tcb_info=TEXT of tcbInfo."""
        where = tempfile.mkdtemp(dir=SCRATCH)
        for name in os.listdir(self.collateral):
            shutil.copy(os.path.join(self.collateral, name), where)
        for name, text in documents.items():
            with open(os.path.join(where, name + ".json"), "wb") as file:
                file.write(text)
        path = os.path.join(where, "quote")
        with open(path, "wb") as file:
            file.write(self.quote if quote is None else quote)
        done = subprocess.run([f"{PROGRAMS}/vouch", "quote", "verify", path, "--collateral-dir", where, "--root",
                               os.path.join(self.dir, "root.pem"), "--raw-verdict", "--json"], check=False,
                              capture_output=True, text=True, timeout=60)
        said = json.loads(done.stdout)
        assert done.returncode == (0 if said["result"] == "ok" else 1), done
        return said["result"], {r["code"] for r in said["reasons"]}, said["tcb_status"]

    def body(self, name, member):
        with open(os.path.join(self.collateral, name + ".json"), encoding="utf-8") as file:
            text = file.read()
        return re.fullmatch(r'\{"' + member + r'":(\{.*\}),"signature":"[0-9a-f]{128}"\}\s*', text, re.S)[1]

    def signed(self, member, body, form='{{"{0}":{1},"signature":"{2}"}}'):
        raw = body if isinstance(body, bytes) else body.encode()
        signature = sign(self.signer, raw).hex()
        return form.format(member, "\0", signature).encode().replace(b"\0", raw)

    # -- quotes: `parts` of one, and one of parts, each signature made anew

    def parts(self):
        quote = self.quote
        version = struct.unpack_from("<H", quote)[0]
        size = 48 + (384 if version == 3 else 584)
        if version == 5:
            size = 54 + struct.unpack_from("<I", quote, 50)[0]
        at = size + 4 + 128 + (0 if version == 3 else 6)
        auth = struct.unpack_from("<H", quote, at + REPORT + QE_SIGNATURE)[0]
        after = at + REPORT + QE_SIGNATURE + 2
        return {"signed": bytearray(quote[:size]), "qe": bytearray(quote[at:at + REPORT]),
                "auth": quote[after:after + auth], "chain": quote[after + auth + 6:].rstrip(b"\0"),
                "key": point(self.attestation), "bind": True, "type": 5, "tail": b"",
                "attestation": self.attestation, "pck": self.pck, "outer": 6}

    def assemble(self, p):
        if p["bind"]:
            p["qe"][320:384] = hashlib.sha256(p["key"] + p["auth"]).digest() + bytes(32)
        qe = bytes(p["qe"]) + sign(p["pck"], bytes(p["qe"])) + struct.pack("<H", len(p["auth"])) + p["auth"]
        qe += struct.pack("<HI", p["type"], len(p["chain"])) + p["chain"]
        if struct.unpack_from("<H", p["signed"])[0] != 3:
            qe = struct.pack("<HI", p["outer"], len(qe)) + qe
        section = sign(p["attestation"], bytes(p["signed"])) + p["key"] + qe
        return bytes(p["signed"]) + struct.pack("<I", len(section)) + section + p["tail"]


def expect(found, want, what):
    """`want`: a status, or a set of codes of which at least one is said."""
    result, codes, status = found
    if isinstance(want, str):
        assert (result, status) == ("ok", want), (what, found)
    else:
        assert result == "reject" and codes & want and status is None, (what, found)


SGX = Platform("sgx")
TDX = Platform("tdx")
TD15 = Platform("tdx", "--td-report-1.5")
BAD = {"tcb_info_malformed"}


def what_is_left_as_it_is_is_genuine():
    for p in (SGX, TDX, TD15):
        expect(p.verify(), "UpToDate", p.tee)
        expect(p.verify(p.assemble(p.parts())), "UpToDate", p.tee)
        expect(p.verify(tcb_info=p.signed("tcbInfo", p.body("tcb_info", "tcbInfo"))), "UpToDate", p.tee)


def signed_tcb_info_is_read_strictly():
    body = SGX.body("tcb_info", "tcbInfo")
    level = body[body.index('"tcbLevels":[') + 13:]
    level = level[:level.index('"tcbStatus":"UpToDate"}') + 23]
    for change, want in {
            ('"tcbType":0', '"tcbType":0,"more":{"a":[1,-2.5e3,null,"\\u00e9"]}'): "UpToDate",
            ('"tcbType":0', '\n\t "tcbType" : 0 '): "UpToDate",
            ('"tcbType":0', '"tcbType":-0'): BAD, ('"tcbType":0', '"tcbType":0.0'): BAD,
            ('"tcbType":0', '"tcbType":00'): BAD, ('"tcbType":0', '"tcbType":"0"'): BAD,
            ('"tcbType":0', '"tcbType":null'): BAD, ('"tcbType":0', '"tcbType":0e0'): BAD,
            ('"tcbType":0', '"tcbType":18446744073709551616'): BAD,
            ('"tcbType":0', '"tcbType":0,'): BAD, ('"tcbType":0', '"tcbType":0,"tcbType":0'): BAD,
            ('"tcbType":0', '"tcbType":0,"fmspc":"53494d000001"'): BAD,
            ('"tcbType":0', '"tcbType":0,"tcb\\u0054ype":1'): BAD,
            ('"tcbType":0', '"tcbType":0,"more":' + "[" * 40 + "]" * 40): BAD,
            ('"tcbType":0', '"tcbType":0,"more":NaN'): BAD, ('"tcbType":0', '"tcbType":0,"more":+1'): BAD,
            ('"tcbType":0', '"tcbType":0,"more":01'): BAD, ('"tcbType":0', '"tcbType":0,"more":"\x01"'): BAD,
            ('"tcbType":0', "'tcbType':0"): BAD, ('"tcbType":0', '/**/"tcbType":0'): BAD,
            ('"version":3', '"version":2'): BAD, ('"version":3', '"version":4'): BAD,
            ('"id":"SGX"', '"id":"TDX"'): BAD, ('"id":"SGX"', '"id":"sgx"'): BAD, ('"id":"SGX",', ""): BAD,
            ('"fmspc":"53494d000000"', '"fmspc":"53494D000000"'): "UpToDate",
            ('"fmspc":"53494d000000"', '"fmspc":"53494d00000"'): BAD,
            ('"fmspc":"53494d000000"', '"fmspc":"53494d00000000"'): BAD,
            ('"fmspc":"53494d000000"', '"fmspc":"53494d000001"'): {"fmspc_mismatch"},
            ('"pceId":"0000"', '"pceId":"0001"'): {"pceid_mismatch"},
            ('"svn":0', '"svn":256'): BAD, ('"svn":0', '"svn":-1'): BAD, ('"svn":0', '"value":0'): BAD,
            ('{"svn":0},', ""): BAD, ('{"svn":0},', '{"svn":0},{"svn":0},'): BAD,
            ('"pcesvn":16', '"pcesvn":65536'): BAD, ('"pcesvn":16', '"x":16'): BAD,
            ('"UpToDate"', '"uptodate"'): BAD, ('"UpToDate"', '"TDRelaunchAdvised"'): BAD,
            ('"UpToDate"', '"UpToDate "'): BAD, ('"UpToDate"', '"Revoked"'): "Revoked",
            ('"tcbLevels":[', '"tcbLevels":[' + level + ","): BAD}.items():
        assert change[0] in body, change
        changed = body.replace(*change, 1)
        expect(SGX.verify(tcb_info=SGX.signed("tcbInfo", changed)), want, change)


def dates_have_one_form_and_are_judged():
    body = SGX.body("tcb_info", "tcbInfo")
    late, early = {"collateral_expired"}, {"collateral_not_yet_valid"}
    for name, value, want in (
            ("nextUpdate", "2099-02-29T00:00:00Z", BAD), ("nextUpdate", "2099-13-01T00:00:00Z", BAD),
            ("nextUpdate", "2099-12-31T24:00:00Z", BAD), ("nextUpdate", "2099-12-31T23:59:60Z", BAD),
            ("nextUpdate", "2099-12-31t23:59:59Z", BAD), ("nextUpdate", "2099-12-31T23:59:59z", BAD),
            ("nextUpdate", "2099-12-31T23:59:59+00:00", BAD), ("nextUpdate", "2099-12-31T23:59:59.0Z", BAD),
            ("nextUpdate", " 2099-12-31T23:59:59Z", BAD), ("nextUpdate", "2099-12-31 23:59:59Z", BAD),
            ("nextUpdate", "99999-12-31T23:59:59Z", BAD), ("nextUpdate", "-2099-12-31T23:59:59Z", BAD),
            ("nextUpdate", "", BAD), ("nextUpdate", "9999-12-31T23:59:59Z", "UpToDate"),
            ("nextUpdate", "2000-01-01T00:00:00Z", late), ("issueDate", "2099-01-01T00:00:00Z", early)):
        changed = re.sub(f'"{name}":"[^"]*"', f'"{name}":"{value}"', body)
        expect(SGX.verify(tcb_info=SGX.signed("tcbInfo", changed)), want, (name, value))


def nothing_stands_around_a_signed_document():
    body = SGX.body("tcb_info", "tcbInfo")
    for form, want in (
            ('{{"{0}":{1},"signature":"{2}"}}\n \t\r\n', "UpToDate"),
            (' {{ "signature" : "{2}" , "{0}" : {1} }}', "UpToDate"),
            ('{{"{0}":{1},"signature":"{2}","more":1}}', BAD), ('{{"{0}":{1},"signature":"{2}"}}x', BAD),
            ('{{"{0}":{1},"signature":"{2}"}}{{}}', BAD), ('\ufeff{{"{0}":{1},"signature":"{2}"}}', BAD),
            ('[{{"{0}":{1},"signature":"{2}"}}]', BAD), ('{{"{0}":{1}}}', BAD),
            ('{{"{0}":{1},"signature":"{2}","signature":"{2}"}}', BAD),
            ('{{"{0}":{1},"{0}":{1},"signature":"{2}"}}', BAD),
            ('{{"{0}":{1},"signature":"{2}00"}}', BAD), ('{{"{0}":{1},"signature":"0x{2}"}}', BAD),
            ('{{"tcbinfo":{1},"signature":"{2}"}}', BAD), ('{{"tcbInf\\u006f":{1},"signature":"{2}"}}', BAD)):
        expect(SGX.verify(tcb_info=SGX.signed("tcbInfo", body, form)), want, form)
    document = SGX.signed("tcbInfo", body)
    expect(SGX.verify(tcb_info=document + b"\0"), BAD, "a NUL behind")
    expect(SGX.verify(tcb_info=document + b" " * 300000), {"collateral_too_large", "collateral_missing"}, "blanks")
    expect(SGX.verify(tcb_info=SGX.signed("tcbInfo", body.replace('"SGX"', '"S\udcffX"', 1)
                                          .encode("utf-8", "surrogateescape"))), BAD, "not UTF-8")
    for r, s in ((0, 1), (1, 0), (ORDER, 1), (1, ORDER), (ORDER - 1, ORDER - 1)):
        forged = re.sub(rb'"signature":"[0-9a-f]+"', b'"signature":"%064x%064x"' % (r, s), document)
        expect(SGX.verify(tcb_info=forged), {"tcb_info_signature_invalid"}, (r, s))


def identities_are_of_the_quoting_enclave():
    body = SGX.body("qe_identity", "enclaveIdentity")
    bad, mismatch, tee = {"qe_identity_malformed"}, {"qe_identity_mismatch"}, {"qe_identity_tee_mismatch"}
    for change, want in {
            ('"id":"QE"', '"id":"TD_QE"'): tee, ('"id":"QE"', '"id":"QVE"'): tee, ('"id":"QE"', '"id":"QAE"'): tee,
            ('"id":"QE"', '"id":"qe"'): bad, ('"version":2', '"version":1'): bad,
            ('"miscselect":"00000000"', '"miscselect":"01000000"'): mismatch,
            ('"isvprodid":1', '"isvprodid":2'): mismatch, ('"isvprodid":1', '"isvprodid":65537'): bad,
            ('"isvsvn":8', '"isvsvn":9'): "OutOfDate", ('"isvsvn":8', '"isvsvn":7'): bad,
            ('"UpToDate"', '"Revoked"'): "Revoked", ('"UpToDate"', '"ConfigurationNeeded"'): "UpToDate",
            ('"UpToDate"', '"SWHardeningNeeded"'): bad}.items():
        assert change[0] in body, change
        changed = SGX.signed("enclaveIdentity", body.replace(*change, 1))
        expect(SGX.verify(qe_identity=changed), want, change)
    below = re.sub(r'"isvsvn":\d+', lambda m: m[0] + "0", body)
    expect(SGX.verify(qe_identity=SGX.signed("enclaveIdentity", below)), {"qe_tcb_not_supported"}, "below")
    swapped = SGX.signed("tcbInfo", SGX.body("tcb_info", "tcbInfo"))
    expect(SGX.verify(qe_identity=swapped), bad, "TCB info in place of the identity")


def a_module_has_one_identity_and_is_signed_by_intel():
    body = TDX.body("tcb_info", "tcbInfo")
    module = {"tdx_module_mismatch"}
    identity = body[body.index('{"id":"TDX_01"'):body.index('],"tcbLevels":[{"tcb":{"sgx')]
    for change, want in {
            ('"TDX_01"', '"tdx_01"'): "UpToDate", ('"TDX_01"', '"TDX_1"'): {"tdx_module_identity_missing"},
            ('"TDX_01"', '"TDX_11"'): {"tdx_module_identity_missing"},
            (identity, identity + "," + identity.replace("TDX_01", "tdx_01")): BAD,
            (identity, identity.replace('"mrsigner":"00', '"mrsigner":"01')): module,
            (identity, identity.replace('"attributes":"00', '"attributes":"01')): module,
            (identity, identity.replace('"isvsvn":5', '"isvsvn":6')): "OutOfDate",
            (identity, identity.replace('"isvsvn":5', '"isvsvn":6').replace('"isvsvn":4', '"isvsvn":7')):
                {"tdx_module_tcb_not_supported"},
            (identity, identity.replace('"UpToDate"', '"Revoked"')): "Revoked",
            (identity, identity.replace('"UpToDate"', '"SWHardeningNeeded"')): BAD,
            ('"tdxModule":', '"tdxMod":'): BAD}.items():
        assert change[0] in body, change
        expect(TDX.verify(tcb_info=TDX.signed("tcbInfo", body.replace(*change, 1))), want, change)


def a_signed_td_is_judged_by_what_it_carries():
    for offset, value, want in ((48 + 64, 1, {"tdx_module_mismatch"}),        # MRSIGNERSEAM
                                (48 + 112, 1, {"tdx_module_mismatch"}),       # SEAMATTRIBUTES
                                (48 + 1, 2, {"tdx_module_identity_missing"}),  # module version
                                (48 + 0, 4, "OutOfDate"), (48 + 0, 3, {"tdx_module_tcb_not_supported"}),
                                (48 + 2, 3, {"tcb_not_supported"}), (48 + 136, 9, "UpToDate")):
        p = TDX.parts()
        p["signed"][offset] = value
        expect(TDX.verify(TDX.assemble(p)), want, offset)
    for current, want in (((5, 1, 4), "UpToDate"), ((5, 7, 4), {"tdx_module_identity_missing"}),
                          ((3, 1, 4), {"tdx_module_tcb_not_supported"}), ((5, 1, 3), {"tcb_not_supported"}),
                          ((4, 1, 4), "UpToDate")):
        p = TD15.parts()
        p["signed"][54 + 584:54 + 587] = bytes(current)
        expect(TD15.verify(TD15.assemble(p)), want, current)
    p = TD15.parts()
    p["signed"][54:57] = bytes((4, 1, 4))  # launched with an older module than runs now
    expect(TD15.verify(TD15.assemble(p)), "TDRelaunchAdvised", "relaunch")


def a_signed_header_is_read_strictly():
    unsupported = {"quote_unsupported", "quote_malformed", "quote_truncated"}
    for platform, offset, value in ((SGX, 0, 2), (SGX, 0, 6), (SGX, 2, 3), (SGX, 4, 0x81), (SGX, 4, 1), (SGX, 12, 0),
                                    (TDX, 4, 0), (TDX, 5, 1), (TD15, 48, 2), (TD15, 48, 1), (TD15, 48, 5),
                                    (TD15, 50, 0), (TD15, 53, 1)):
        p = platform.parts()
        whole = bytearray(platform.assemble(p))
        whole[offset] = value
        expect(platform.verify(bytes(whole)), unsupported, (platform.tee, offset, value))
    for offset in (8, 10, 28):  # QE SVN, PCE SVN, user data: signed, and no trust input
        p = SGX.parts()
        p["signed"][offset] ^= 0x55
        expect(SGX.verify(SGX.assemble(p)), "UpToDate", offset)


def the_quoting_enclave_binds_the_key_with_all_64_bytes():
    for platform in (SGX, TDX):
        for change, want in (
                (lambda p: p.update(auth=b""), "UpToDate"), (lambda p: p.update(auth=bytes(4000)), "UpToDate"),
                (lambda p: (p.update(bind=False), p["qe"].__setitem__(383, 1)), {"qe_report_data_mismatch"}),
                (lambda p: (p.update(bind=False), p["qe"].__setitem__(352, 1)), {"qe_report_data_mismatch"}),
                (lambda p: (p.update(bind=False), p["qe"].__setitem__(320, p["qe"][320] ^ 1)),
                 {"qe_report_data_mismatch"}),
                (lambda p: p.update(bind=False, auth=b"other"), {"qe_report_data_mismatch"}),
                (lambda p: p["qe"].__setitem__(48, p["qe"][48] | 2), {"qe_identity_mismatch"}),   # DEBUG
                (lambda p: p["qe"].__setitem__(128, p["qe"][128] ^ 1), {"qe_identity_mismatch"}),  # MRSIGNER
                (lambda p: p["qe"].__setitem__(256, 9), {"qe_identity_mismatch"}),                # ISVPRODID
                (lambda p: p["qe"].__setitem__(16, 1), {"qe_identity_mismatch"}),                 # MISCSELECT
                (lambda p: p["qe"].__setitem__(258, 0), {"qe_tcb_not_supported"}),                # ISVSVN
                (lambda p: p["qe"].__setitem__(258, 7), "OutOfDate"),
                (lambda p: p["qe"].__setitem__(64, p["qe"][64] ^ 1), "UpToDate"),                 # MRENCLAVE
                (lambda p: p.update(pck=platform.attestation), {"qe_report_signature_invalid"}),
                (lambda p: p.update(attestation=platform.pck), {"quote_signature_invalid"}),
                (lambda p: p.update(key=bytes(64)), {"attestation_key_not_on_curve"}),
                (lambda p: p.update(key=p["key"][32:] + p["key"][:32]), {"attestation_key_not_on_curve"}),
                (lambda p: p.update(key=point(platform.pck)), {"quote_signature_invalid"}),
                (lambda p: p.update(tail=bytes(3000)), "UpToDate"), (lambda p: p.update(tail=b"\0\1"), {"quote_malformed"}),
                (lambda p: p.update(chain=p["chain"] + b"\r\n\0\0"), "UpToDate"),
                (lambda p: p.update(chain=p["chain"] + b"\0x"), {"pck_chain_malformed"}),
                (lambda p: p.update(chain=b"text\n" + p["chain"]), {"pck_chain_malformed"}),
                (lambda p: p.update(chain=p["chain"] + p["chain"]), {"pck_chain_malformed"}),
                (lambda p: p.update(type=4), {"pck_chain_missing"}), (lambda p: p.update(type=7), {"quote_unsupported"}),
                (lambda p: p.update(outer=5), {"quote_unsupported"} if platform is TDX else "UpToDate")):
            p = platform.parts()
            change(p)
            expect(platform.verify(platform.assemble(p)), want, (platform.tee, want))


def n_minus_s_is_as_good_a_signature():
    p = SGX.assemble(SGX.parts())
    at = 48 + 384 + 4 + 32
    s = int.from_bytes(p[at:at + 32], "big")
    expect(SGX.verify(p[:at] + (ORDER - s).to_bytes(32, "big") + p[at + 32:]), "UpToDate", "n - s")
    for r, s in ((bytes(32), p[at:at + 32]), (p[at - 32:at], bytes(32)), (ORDER.to_bytes(32, "big"), p[at:at + 32])):
        expect(SGX.verify(p[:at - 32] + r + s + p[at + 32:]), {"quote_signature_invalid"}, "range")


def another_vendors_parts_never_serve():
    other = Platform("sgx")
    for name, member, what in (("tcb_info", "tcbInfo", "tcb_info"), ("qe_identity", "enclaveIdentity", "qe_identity")):
        forged = other.signed(member, SGX.body(name, member))
        expect(SGX.verify(**{what: forged}), {f"{what}_signature_invalid"}, what)
    p = SGX.parts()
    p["pck"] = other.pck
    expect(SGX.verify(SGX.assemble(p)), {"qe_report_signature_invalid"}, "pck")
    expect(SGX.verify(other.quote), {"root_not_trusted"}, "quote")


try:
    tap.run(what_is_left_as_it_is_is_genuine, signed_tcb_info_is_read_strictly, dates_have_one_form_and_are_judged,
            nothing_stands_around_a_signed_document, identities_are_of_the_quoting_enclave,
            a_module_has_one_identity_and_is_signed_by_intel, a_signed_td_is_judged_by_what_it_carries,
            a_signed_header_is_read_strictly, the_quoting_enclave_binds_the_key_with_all_64_bytes,
            n_minus_s_is_as_good_a_signature, another_vendors_parts_never_serve)
finally:
    shutil.rmtree(SCRATCH, ignore_errors=True)
