#!/usr/bin/env python3
"""Real, unmodified OpenFL collaborators against an attested Vouch aggregator.

usage: openfl_attested_test.py DIRECTORY-OF-PROGRAMS BUILD [RELEASE]
"""
import contextlib
import hashlib
import json
import pathlib
import shutil
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "e2e"))
import tap  # noqa: E402
from federation import (  # noqa: E402
    DIGITS, Process, Site, attestation_yaml, certificate_digest, free_port, new_federation_id,
    openfl_environment, spki_digest)

HERE = pathlib.Path(__file__).resolve().parent
PROGRAMS = pathlib.Path(sys.argv[1]).resolve()
BUILD = sys.argv[2]
RELEASE = sys.argv[3] if len(sys.argv) > 3 else "1.9"
STAGE = pathlib.Path(tempfile.mkdtemp(prefix="vouch-openfl-"))
NAMES = ("col1", "col2")
ENV = {}


def the_release_installs_into_a_virtual_environment():
    ENV["fx"] = openfl_environment(BUILD, RELEASE, "numpy<2.3") / "fx"


def make_platform():
    desk = ENV["desk"] = Site(STAGE / "desk", PROGRAMS)
    desk.run("vouch-sim", "platform", "create", STAGE / "platform")
    made = desk.ask("vouch-verifyd", "init", STAGE / "verifier", "--host", "127.0.0.1", "--listen",
                    f"127.0.0.1:{free_port()}", "--root", STAGE / "platform/root.pem", "--collateral-dir",
                    STAGE / "platform/collateral")
    ENV["verifier"] = made
    return desk


def make_site(name):
    site = Site(STAGE / name, PROGRAMS)
    shutil.copytree(HERE / "openfl/src", site / "src")
    shutil.copy(DIGITS, site / "data/optdigits.csv")
    (site / "plan/plan.yaml").write_text(
        (HERE / "openfl/plan.yaml").read_text().replace("@PORT@", str(ENV["port"])))
    (site / "plan/cols.yaml").write_text("collaborators:\n" + "".join(f"- {n}\n" for n in NAMES))
    (site / "plan/data.yaml").write_text(
        "".join(f"{n},data/optdigits.csv#{i}/{len(NAMES)}\n" for i, n in enumerate(NAMES)))
    (site / ".workspace").write_text("current_plan_name: default\n")
    return site


def a_federation_is_made_with_our_commands_and_their_model():
    desk = make_platform()
    ENV["port"] = free_port()
    agg = ENV["agg"] = make_site("aggregator")
    agg.run("vouch", "workspace", "certify")
    agg.run("vouch", "aggregator", "generate-cert-request", "--fqdn", "localhost")
    agg.run("vouch", "aggregator", "certify", "--fqdn", "localhost", "-s")
    for name in NAMES:
        col = ENV[name] = make_site(name)
        col.run("vouch", "collaborator", "generate-cert-request", "-n", name, "-s")
        agg.run("vouch", "collaborator", "certify", "--request-pkg",
                col / f"col_{name}_to_agg_cert_request.zip", "-s")
        col.run("vouch", "collaborator", "certify", "--import",
                agg / f"agg_to_col_{name}_signed_cert.zip")
    # the initial model is made by the real OpenFL, from its own task runner
    agg.programs = ENV["fx"].parent
    agg.run("fx", "plan", "initialize")
    agg.programs = PROGRAMS
    write_attestation(desk, agg)


def write_attestation(desk, agg):
    program = PROGRAMS / "vouch"
    measurement = json.loads(desk.run("vouch-sim", "measure", "--json", "--", program))["mrenclave"]
    members = [{"name": "aggregator", "role": "aggregator",
                "enrolment": spki_digest(agg / "cert/server/agg_localhost.crt")}]
    members += [{"name": n, "role": "collaborator", "attested": False,
                 "enrolment": spki_digest(ENV[n] / f"cert/client/col_{n}.crt")} for n in NAMES]
    text = attestation_yaml(
        {"id": new_federation_id(), "from": "2020-01-01T00:00:00Z",
         "enable": {"aggregator": True, "collaborator": False},
         "initial_model": hashlib.sha256((agg / "save/init.pbuf").read_bytes()).hexdigest(),
         "participants": members,
         "measurements": {"aggregator": [{"mrenclave": measurement}]},
         "tcb": {"accept": ["UpToDate"]}, "token": "required",
         "token_issuers": [{"base_url": ENV["verifier"]["base_url"],
                            "root": certificate_digest(ENV["verifier"]["token_root"])}],
         "channel": "key", "roots": [certificate_digest(STAGE / "platform/root.pem")],
         "model_export": "clear", "certificate_life_h": 24, "reattest_min": 60},
        {"collateral": {"dir": str(STAGE / "platform/collateral")},
         "verifier": {"url": ENV["verifier"]["base_url"], "ca": ENV["verifier"]["tls_ca"]},
         "enrolment": {"cert": "cert/server/agg_localhost.crt", "key": "cert/server/agg_localhost.key"}})
    (agg / "plan/attestation.yaml").write_text(text)


def start_aggregator():
    agg = ENV["agg"]
    reports = STAGE / "reports"
    reports.mkdir()
    pull_request = {"ITA_API_KEY": pathlib.Path(ENV["verifier"]["api_key_file"]).read_text().strip(),
                    "AVS_URL": ENV["verifier"]["base_url"],
                    "ATTESTATION_REPORT_PATH": str(reports), "ROOT_CERT_PATH": str(reports)}
    return Process([PROGRAMS / "vouch-sim", "run", "--platform", STAGE / "platform", "--gramine-limits", "--",
                    PROGRAMS / "vouch", "aggregator", "start", "--log-format", "json", "--log-level", "info"],
                   agg.directory, STAGE / "aggregator.log", pull_request)


def real_collaborators_train_three_rounds_against_the_attested_aggregator():
    agg = ENV["agg"]
    verifier = Process([PROGRAMS / "vouch-verifyd", "--config", ENV["verifier"]["config"], "--log-format",
                        "json", "--log-level", "info"], STAGE, STAGE / "verifier.log")
    with contextlib.ExitStack() as stack:
        stack.enter_context(verifier)
        verifier.event("verifyd.listening")
        aggregator = stack.enter_context(start_aggregator())
        aggregator.event("aggregator.listening")
        # the root that the collaborators pin comes out of the verified passport, not from the host
        agg.run("vouch", "passport", "verify", STAGE / "reports/aggregator_passport.json", "--policy",
                "plan/attestation.yaml", "--export-root", STAGE / "root.pem")
        running = []
        for name in NAMES:
            shutil.copy(STAGE / "root.pem", ENV[name] / "cert/cert_chain.crt")
            running.append(Process([ENV["fx"], "collaborator", "start", "-n", name], ENV[name].directory,
                                   STAGE / f"{name}.log"))
        with running[0], running[1]:
            for process in running:
                assert process.wait(180) == 0, process.tail()
        assert aggregator.wait(60) == 0, aggregator.tail()
    ENV["log"] = (STAGE / "aggregator.log").read_text()


def all_three_rounds_are_in_the_aggregators_log():
    assert ENV["log"].count('"event":"round.finished"') == 3, ENV["log"][-3000:]


def the_model_that_it_saved_is_read_by_the_real_openfl():
    code = ("from openfl.protocols import utils; import sys\n"
            "from openfl.pipelines import NoCompressionPipeline\n"
            "p = utils.load_proto(sys.argv[1])\n"
            "d, r = utils.deconstruct_model_proto(p, NoCompressionPipeline())\n"
            "assert d['weight'].shape == (64, 10) and abs(d['weight']).max() > 0, d\n"
            "print(r)\n")
    agg = ENV["agg"]
    agg.programs = ENV["fx"].parent
    rounds = {name: int(agg.run("python", "-c", code, f"save/{name}.pbuf")) for name in ("last", "final")}
    assert rounds["final"] == 3, rounds


try:
    tap.run(
        the_release_installs_into_a_virtual_environment,
        a_federation_is_made_with_our_commands_and_their_model,
        real_collaborators_train_three_rounds_against_the_attested_aggregator,
        all_three_rounds_are_in_the_aggregators_log,
        the_model_that_it_saved_is_read_by_the_real_openfl,
    )
finally:
    shutil.rmtree(STAGE, ignore_errors=True)
