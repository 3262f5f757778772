#!/usr/bin/env python3
"""The commands of docs/attestation.md do what the page says: docs_test.py DIRECTORY-OF-PROGRAMS CHECKOUT"""
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import tempfile

import tap
from ports import free_port

PROGRAMS = pathlib.Path(sys.argv[1]).resolve()
CHECKOUT = pathlib.Path(sys.argv[2]).resolve()
STAGE = pathlib.Path(tempfile.mkdtemp(prefix="vouch-docs-"))
SEEN = {}


def blocks():
    """The shell blocks in order; each background command gets a moment, as a reader would take."""
    text = (CHECKOUT / "docs/attestation.md").read_text()
    found = re.findall(r"^```sh\n(.*?)^```$", text, re.M | re.S)
    text = "\n".join(b + ("\nsleep 2\n" if re.search(r"&\s*$", b, re.M) else "") for b in found)
    return len(found), text.replace("8443", str(free_port())).replace("50051", str(free_port()))


def every_command_of_the_page_succeeds():
    count, text = blocks()
    assert count >= 9, f"{count} blocks: the page has lost its commands"
    script = STAGE / "page.sh"
    script.write_text("set -eu\n" + text)
    env = dict(os.environ, PATH=f"{PROGRAMS}:{os.environ['PATH']}", DATA=str(CHECKOUT / "examples/data"))
    run = subprocess.Popen(["bash", script], cwd=STAGE, env=env, text=True, start_new_session=True,
                           stdout=open(STAGE / "output", "w"), stderr=subprocess.STDOUT)
    try:
        status = run.wait(150)
    finally:
        try:
            os.killpg(run.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
    SEEN["output"] = (STAGE / "output").read_text()
    assert status == 0, SEEN["output"]


def the_federation_of_the_page_has_trained():
    assert (STAGE / "agg/save/final.pbuf").stat().st_size > 1000


def the_passport_of_the_page_verifies_and_says_simulated():
    assert "simulated" in SEEN["output"].splitlines()[-1] or "simulated" in SEEN["output"]
    assert re.search(r"^verdict\s+ok", SEEN["output"], re.M), SEEN["output"][-2000:]


try:
    tap.run(
        every_command_of_the_page_succeeds,
        the_federation_of_the_page_has_trained,
        the_passport_of_the_page_verifies_and_says_simulated,
    )
finally:
    shutil.rmtree(STAGE, ignore_errors=True)
