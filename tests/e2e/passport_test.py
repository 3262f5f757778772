#!/usr/bin/python3
"""Passports: verified without a network, explained, and the way of a root to OpenFL collaborators.

usage: passport_test.py DIRECTORY-OF-PROGRAMS
"""
import concurrent.futures
import hashlib
import json
import os
import pathlib
import shutil
import socket
import ssl
import subprocess
import sys
import tempfile

import tap
from federation import (
    Process, Site, attestation_yaml, certificate_digest, new_federation_id, spki_digest)
from ports import free_port

PROGRAMS = pathlib.Path(sys.argv[1]).resolve()
STAGE = pathlib.Path(tempfile.mkdtemp(prefix="vouch-passport-"))
CHAIN = "cert/cert_chain.crt"
ENV = {}


def make_sites():
    desk = ENV["desk"] = Site(STAGE / "desk", PROGRAMS)
    desk.run("vouch-sim", "platform", "create", STAGE / "platform")
    ENV["verifier"] = desk.ask(
        "vouch-verifyd", "init", STAGE / "verifier", "--host", "127.0.0.1", "--listen", f"127.0.0.1:{free_port()}",
        "--root", STAGE / "platform/root.pem", "--collateral-dir", STAGE / "platform/collateral")
    agg, col = ENV["agg"], ENV["col"] = Site(STAGE / "aggregator", PROGRAMS), Site(STAGE / "col1", PROGRAMS)
    desk.run("vouch", "workspace", "create", "--prefix", STAGE / "template")
    plan = (STAGE / "template/plan/plan.yaml").read_text()
    plan = plan.replace("agg_addr: auto", "agg_addr: localhost").replace("agg_port: auto", f"agg_port: {free_port()}")
    for site in (agg, col):
        (site / "plan/plan.yaml").write_text(plan)
    agg.run("vouch", "workspace", "certify")
    agg.run("vouch", "aggregator", "generate-cert-request", "--fqdn", "localhost")
    agg.run("vouch", "aggregator", "certify", "--fqdn", "localhost", "-s")
    col.run("vouch", "collaborator", "generate-cert-request", "-n", "col1", "-s")
    agg.run("vouch", "collaborator", "certify", "-r", col / "col_col1_to_agg_cert_request.zip", "-s")
    col.run("vouch", "collaborator", "certify", "-i", agg / "agg_to_col_col1_signed_cert.zip")
    agg.run("vouch", "plan", "initialize")


def write_attestation(**changes):
    agg, col, verifier = ENV["agg"], ENV["col"], ENV["verifier"]
    measured = json.loads(ENV["desk"].run("vouch-sim", "measure", "--json", "--", PROGRAMS / "vouch"))["mrenclave"]
    federation = {
        "id": ENV.setdefault("id", new_federation_id()), "from": "2020-01-01T00:00:00Z",
        "enable": {"aggregator": True, "collaborator": True},
        "initial_model": hashlib.sha256((agg / "save/init.pbuf").read_bytes()).hexdigest(),
        "participants": [
            {"name": "agg", "role": "aggregator", "enrolment": spki_digest(agg / "cert/server/agg_localhost.crt")},
            {"name": "col1", "role": "collaborator", "enrolment": spki_digest(col / "cert/client/col_col1.crt")}],
        "measurements": {role: [{"mrenclave": measured}] for role in ("aggregator", "collaborator")},
        "tcb": {"accept": ["UpToDate"]}, "token": "required",
        "token_issuers": [{"base_url": verifier["base_url"], "root": certificate_digest(verifier["token_root"])}],
        "channel": "key", "roots": [certificate_digest(STAGE / "platform/root.pem")], "model_export": "clear",
        "certificate_life_h": 24, "reattest_min": 60, **changes}
    for site, key in ((agg, "server/agg_localhost"), (col, "client/col_col1")):
        (site / "plan/attestation.yaml").write_text(attestation_yaml(federation, {
            "collateral": {"dir": str(STAGE / "platform/collateral")},
            "verifier": {"url": verifier["base_url"], "ca": verifier["tls_ca"]},
            "enrolment": {"cert": f"cert/{key}.crt", "key": f"cert/{key}.key"}}))


def attest(site, role, name, out):
    key = pathlib.Path(ENV["verifier"]["api_key_file"]).read_text().strip()
    site.run("vouch-sim", "run", "--platform", STAGE / "platform", "--", PROGRAMS / "vouch", "attest", "--role", role,
             "--name", name, "--out", out, environment={"ITA_API_KEY": key})
    return pathlib.Path(out) / f"{name}_passport.json"


def both_roles_attest_and_leave_their_passports():
    make_sites()
    write_attestation()
    with Process([PROGRAMS / "vouch-verifyd", "--config", ENV["verifier"]["config"], "--log-format", "json",
                  "--log-level", "info"], STAGE, STAGE / "verifier.log") as verifier:
        verifier.event("verifyd.listening")
        ENV["passport"] = attest(ENV["agg"], "aggregator", "agg", STAGE / "reports")
        ENV["of_col"] = attest(ENV["col"], "collaborator", "col1", STAGE / "reports")


def the_files_of_the_pull_request_lie_beside_them():
    passport = json.loads(ENV["passport"].read_text())
    assert {"mrenclave", "name", "token", "cert"} <= set(passport), list(passport)
    report = json.loads((STAGE / "reports/agg_avs_report.json").read_text())
    assert report["token"] == passport["token"] != "", report
    pem = (STAGE / "reports/agg_pubkey.pem").read_text()
    assert pem.strip() == passport["cert"].strip() and "PRIVATE" not in pem


def vouch(*words, prefix=(), site="col"):
    done = subprocess.run([*prefix, PROGRAMS / "vouch", *map(str, words)], cwd=ENV[site].directory, text=True,
                          capture_output=True, timeout=60)
    return done.returncode, done.stdout, done.stderr


def verify(*more, passport=None, prefix=()):
    status, out, err = vouch("passport", "verify", passport or ENV["passport"], "--policy", "plan/attestation.yaml",
                             "--json", *more, prefix=prefix)
    assert out, err
    return status, json.loads(out)


def no_network_is_needed():
    alone = ["unshare", "--net"]
    if subprocess.run([*alone, "true"], capture_output=True).returncode != 0:
        raise tap.Skip("no network namespace can be made here")
    status, answer = verify("--plan", "plan/plan.yaml", prefix=alone)
    assert status == 0 and answer["result"] == "ok" and answer["time_proven"], answer


def each_check_is_explained_in_the_channels_words():
    _, answer = verify("--plan", "plan/plan.yaml")
    names = [c["check"] for c in answer["checks"]]
    assert names[:14] == ["certificate", "evidence", "claims-form", "self-signature", "validity", "claims", "enrolment",
                          "report-data", "quote", "policy", "platform", "newest", "token", "channel"], names
    assert names[14:] == ["members", "created"] and all(c["passed"] for c in answer["checks"]), answer
    assert answer["simulated"] is True
    _, out, _ = vouch("passport", "verify", ENV["passport"], "--policy", "plan/attestation.yaml")
    assert all(name in out for name in names) and "simulated    yes" in out, out
    assert "for which plan was not compared" in out, out


def another_date_is_judged_and_not_proven():
    status, answer = verify("--at", "2040-01-01T00:00:00Z")
    assert status == 1 and answer["code"] == "validity" and not answer["time_proven"], answer
    assert "time not proven" in answer["time_note"], answer


def altered(**changes):
    path = STAGE / f"altered-{'-'.join(changes)}.json"
    path.write_text(json.dumps({**json.loads(ENV["passport"].read_text()), **changes}))
    return path


def other(name, **changes):
    """A workspace of a collaborator whose federation differs."""
    site = ENV[name] = Site(STAGE / name, PROGRAMS)
    for file in ("plan/plan.yaml", "plan/attestation.yaml", CHAIN):
        shutil.copy(ENV["col"] / file, site / file)
    for file, edit in changes.items():
        path = site / {"plan": "plan/plan.yaml", "attestation": "plan/attestation.yaml"}[file]
        before = path.read_text()
        path.write_text(edit(before))
        assert path.read_text() != before
    return name


def certify(passport, site="col"):
    return vouch("collaborator", "certify", "--import-self-signed", passport, site=site)


def nothing_is_installed_from_a_passport_that_does_not_pass():
    before = (ENV["col"] / CHAIN).read_bytes()
    pki = subprocess.run(["openssl", "x509", "-in", ENV["agg"] / CHAIN], check=True, capture_output=True,
                         text=True).stdout
    refused = [
        ("the host's own CA in the place of the TEE's", altered(ca=pki), "col"),
        ("another name", altered(name="col1"), "col"),
        ("a collaborator's", ENV["of_col"], "col"),
        ("for another plan", ENV["passport"], other("p", plan=lambda t: t.replace(
            "rounds_to_train: 10", "rounds_to_train: 11"))),
        ("of another federation", ENV["passport"], other("f", attestation=lambda t: t.replace(ENV["id"], "ab" * 16))),
        ("another site's key", ENV["passport"], other("e", attestation=lambda t: t.replace(
            spki_digest(ENV["agg"] / "cert/server/agg_localhost.crt"), "cd" * 32))),
        ("no passport", ENV["agg"] / CHAIN, "col"),
        ("nothing there", STAGE / "nothing.json", "col"),
    ]
    for what, passport, site in refused:
        status, out, err = certify(passport, site)
        assert status in (1, 2, 3) and err, f"{what}: exit {status}\n{out}{err}"
        assert (ENV[site] / CHAIN).read_bytes() == before, f"{what}: installed"
        assert not (ENV[site] / (CHAIN + ".before-attestation")).exists(), what
    (ENV["col"] / "bare.yaml").write_text("measurements: []\n")
    status, _, err = vouch("collaborator", "certify", "--import-self-signed", ENV["passport"], "--attestation",
                           "bare.yaml")
    assert status in (1, 2) and err and (ENV["col"] / CHAIN).read_bytes() == before, err


def the_root_of_a_passport_that_passes_takes_the_place_of_the_chain():
    before = (ENV["col"] / CHAIN).read_bytes()
    for _ in range(2):
        status, out, err = certify(ENV["passport"])
        assert status == 0 and "verdict      ok" in out and CHAIN in out, out + err
    assert (ENV["col"] / (CHAIN + ".before-attestation")).read_bytes() == before
    root = (ENV["col"] / CHAIN).read_text()
    assert root.count("BEGIN CERTIFICATE") == 1
    assert json.loads(ENV["passport"].read_text())["ca"].strip() == root.strip()
    exported = STAGE / "exported.pem"
    verify("--export-root", exported)
    assert exported.read_text() == root


# --- what stock peers do with it: TLS, and gRPC as OpenFL calls it ---

def tls_context(side, chain, certificate, key):
    context = ssl.SSLContext(side)
    context.load_verify_locations(chain)
    context.load_cert_chain(certificate, key)
    context.verify_mode = ssl.CERT_REQUIRED
    return context


def believes(chain):
    """Does a client that pins `chain` believe whoever has the PKI key of the aggregator's host?"""
    agg, col = ENV["agg"], ENV["col"]
    server = tls_context(ssl.PROTOCOL_TLS_SERVER, agg / CHAIN, agg / "cert/server/agg_localhost.crt",
                         agg / "cert/server/agg_localhost.key")
    client = tls_context(ssl.PROTOCOL_TLS_CLIENT, chain, col / "cert/client/col_col1.crt",
                         col / "cert/client/col_col1.key")
    ours, theirs = socket.socketpair()
    with concurrent.futures.ThreadPoolExecutor(1) as pool, ours, theirs:
        answer = pool.submit(server.wrap_socket, theirs, server_side=True)
        try:
            client.wrap_socket(ours, server_hostname="localhost").close()
            answer.result(10).close()
            return True
        except ssl.SSLCertVerificationError:
            assert answer.exception(10) is not None
            return False


def the_hosts_pki_key_does_not_pass_for_an_aggregator_whose_root_is_pinned():
    assert believes(ENV["agg"] / CHAIN), "before, the host's key is believed: the attack is real"
    assert not believes(ENV["col"] / CHAIN)


def answers(grpc, chain, port):
    credentials = grpc.ssl_channel_credentials(
        pathlib.Path(chain).read_bytes(), (ENV["col"] / "cert/client/col_col1.key").read_bytes(),
        (ENV["col"] / "cert/client/col_col1.crt").read_bytes())
    with grpc.secure_channel(f"localhost:{port}", credentials) as channel:
        try:
            return channel.unary_unary("/any/Method")(b"", timeout=10) == b"hello"
        except grpc.RpcError as why:
            assert why.code() == grpc.StatusCode.UNAVAILABLE, why
            return False


def nor_does_it_over_googles_grpc():
    try:
        import grpc
    except ImportError:
        raise tap.Skip("python3-grpcio is not installed") from None

    class Hello(grpc.GenericRpcHandler):
        def service(self, _):
            return grpc.unary_unary_rpc_method_handler(lambda request, context: b"hello")

    agg = ENV["agg"]
    server = grpc.server(concurrent.futures.ThreadPoolExecutor(2))
    server.add_generic_rpc_handlers((Hello(),))
    pair = ((agg / "cert/server/agg_localhost.key").read_bytes(), (agg / "cert/server/agg_localhost.crt").read_bytes())
    port = server.add_secure_port("localhost:0", grpc.ssl_server_credentials(
        [pair], (agg / CHAIN).read_bytes(), require_client_auth=True))
    server.start()
    try:
        assert answers(grpc, agg / CHAIN, port) and not answers(grpc, ENV["col"] / CHAIN, port)
    finally:
        server.stop(0)


try:
    os.environ["GRPC_VERBOSITY"] = "NONE"
    tap.run(
        both_roles_attest_and_leave_their_passports,
        the_files_of_the_pull_request_lie_beside_them,
        no_network_is_needed,
        each_check_is_explained_in_the_channels_words,
        another_date_is_judged_and_not_proven,
        nothing_is_installed_from_a_passport_that_does_not_pass,
        the_root_of_a_passport_that_passes_takes_the_place_of_the_chain,
        the_hosts_pki_key_does_not_pass_for_an_aggregator_whose_root_is_pinned,
        nor_does_it_over_googles_grpc,
    )
finally:
    shutil.rmtree(STAGE, ignore_errors=True)
