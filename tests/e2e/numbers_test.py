#!/usr/bin/env python3
"""Every compression pipeline and every aggregation function in a federation of our own programs.

usage: numbers_test.py DIRECTORY-OF-PROGRAMS
"""
import pathlib
import shutil
import sys
import tempfile

import tap
from federation import DIGITS, Process, Site
from ports import free_port

PROGRAMS = pathlib.Path(sys.argv[1]).resolve()
STAGE = pathlib.Path(tempfile.mkdtemp(prefix="vouch-numbers-"))
NAMES = ("col1", "col2")
LOG = ("--log-format", "json", "--log-level", "info")
PIPELINES = {
    # class and settings; accuracy of the model that round 3 starts from, at least
    "NoCompressionPipeline": ("", 0.90),
    "KCPipeline": ("n_clusters: 6", 0.60),
    "SKCPipeline": ("p_sparsity: 0.3, n_clusters: 6", 0.40),
    "STCPipeline": ("p_sparsity: 0.3", 0.15),
    "RandomShiftPipeline": ("", 0.90),
    "EdenPipeline": ("n_bits: 8, dim_threshold: 100", 0.90),
}
FUNCTIONS = {
    "Median": ("", 0.90),
    "GeometricMedian": ("", 0.90),
    "FedCurvWeightedAverage": ("", 0.90),
    "AdagradAdaptiveAggregation": ("learning_rate: 0.1", 0.50),
    "AdamAdaptiveAggregation": ("learning_rate: 0.1", 0.50),
    "YogiAdaptiveAggregation": ("learning_rate: 0.1", 0.50),
}
ENV, FINAL = {}, {}


def sites():
    return [ENV["agg"]] + [ENV[name] for name in NAMES]


def write_plan(rounds=4, pipeline="NoCompressionPipeline", pipeline_settings="", function="WeightedAverage",
               function_settings="", delta="true"):
    text = ENV["plan"]
    for old, new in {
            "rounds_to_train: 10": f"rounds_to_train: {rounds}",
            "agg_addr: auto": "agg_addr: localhost", "agg_port: auto": f"agg_port: {ENV['port']}",
            "opt_treatment: RESET,": f"opt_treatment: RESET, delta_updates: {delta},",
            "NoCompressionPipeline}": f"{pipeline}, settings: {{{pipeline_settings}}}}}",
            "kwargs: {metrics: [loss]}}":
                "kwargs: {metrics: [loss]}, aggregation_type: {template: "
                f"openfl.interface.aggregation_functions.{function}, settings: {{{function_settings}}}}}}}",
    }.items():
        assert old in text, old
        text = text.replace(old, new)
    for site in sites():
        (site / "plan/plan.yaml").write_text(text)
    ENV["agg"].run("vouch", "plan", "initialize")


def run(label):
    """The rounds to their end; gives the last accuracy of a global model, and the final model."""
    agg_words = ["aggregator", "start", "--listen", f"127.0.0.1:{ENV['port']}", *LOG]
    with Process([PROGRAMS / "vouch", *agg_words], ENV["agg"].directory, STAGE / f"{label}-agg.log") as agg:
        agg.event("aggregator.listening")
        with Process([PROGRAMS / "vouch", "collaborator", "start", "-n", "col1", *LOG], ENV["col1"].directory,
                     STAGE / f"{label}-col1.log") as one, \
             Process([PROGRAMS / "vouch", "collaborator", "start", "-n", "col2", *LOG], ENV["col2"].directory,
                     STAGE / f"{label}-col2.log") as two:
            for process in (one, two):
                assert process.wait(90) == 0, process.tail()
        assert agg.wait(30) == 0, agg.tail()
        rounds = agg.events("round.finished")
    return float(rounds[-1]["accuracy"]), (ENV["agg"] / "save/final.pbuf").read_bytes()


def sites_are_made():
    desk = Site(STAGE / "desk", PROGRAMS)
    desk.run("vouch", "workspace", "create", "--prefix", STAGE / "template")
    ENV["plan"] = (STAGE / "template/plan/plan.yaml").read_text()
    ENV["port"] = free_port()
    agg = ENV["agg"] = Site(STAGE / "aggregator", PROGRAMS)
    for i, name in enumerate(NAMES):
        site = ENV[name] = Site(STAGE / name, PROGRAMS)
        shutil.copy(DIGITS, site / "data/optdigits.csv")
        (site / "plan/data.yaml").write_text(f"{name},data/optdigits.csv#{i}/{len(NAMES)}\n")
    (agg / "plan/cols.yaml").write_text("collaborators: [col1, col2]\n")
    agg.run("vouch", "workspace", "certify")
    agg.run("vouch", "aggregator", "generate-cert-request", "--fqdn", "localhost")
    agg.run("vouch", "aggregator", "certify", "--fqdn", "localhost", "-s")
    for name in NAMES:
        site = ENV[name]
        site.run("vouch", "collaborator", "generate-cert-request", "-n", name, "-s")
        agg.run("vouch", "collaborator", "certify", "-r", site / f"col_{name}_to_agg_cert_request.zip", "-s")
        site.run("vouch", "collaborator", "certify", "-i", agg / f"agg_to_col_{name}_signed_cert.zip")


def learns_through(pipeline):
    settings, least = PIPELINES[pipeline]

    def check():
        write_plan(pipeline=pipeline, pipeline_settings=settings)
        accuracy, FINAL[pipeline] = run(pipeline)
        assert accuracy >= least, f"accuracy {accuracy}"
    check.__name__ = f"a_federation_learns_by_changes_through_{pipeline}"
    return check


def learns_with(function):
    settings, least = FUNCTIONS[function]

    def check():
        write_plan(rounds=6, function=function, function_settings=settings)
        accuracy, FINAL[function] = run(function)
        assert accuracy >= least, f"accuracy {accuracy}"
    check.__name__ = f"a_federation_learns_with_{function}"
    return check


def what_is_drawn_is_drawn_alike_in_a_second_run():
    for pipeline in ("EdenPipeline", "RandomShiftPipeline"):
        write_plan(pipeline=pipeline, pipeline_settings=PIPELINES[pipeline][0])
        assert run(f"{pipeline}-again")[1] == FINAL[pipeline], pipeline


def each_pipeline_and_function_leaves_its_own_mark():
    models = list(FINAL.values())
    assert len(set(models)) == len(models) == len(PIPELINES) + len(FUNCTIONS)


def whole_models_travel_where_the_plan_has_no_delta_updates():
    write_plan(delta="false")
    accuracy, _ = run("whole")
    assert accuracy >= 0.9, accuracy


try:
    tap.run(sites_are_made, *map(learns_through, PIPELINES), *map(learns_with, FUNCTIONS),
            what_is_drawn_is_drawn_alike_in_a_second_run, each_pipeline_and_function_leaves_its_own_mark,
            whole_models_travel_where_the_plan_has_no_delta_updates)
finally:
    shutil.rmtree(STAGE, ignore_errors=True)
