"""Tests that speak TAP: name each with the sentence that it proves."""
import os
import sys
import traceback


class Skip(Exception):
    """Raised by a test that cannot run here; the text says why."""


def run(*tests):
    """Run the functions in order; a test's name is its function's name with blanks."""
    print(f"1..{len(tests)}", flush=True)
    failed = 0
    for number, test in enumerate(tests, 1):
        name = test.__name__.replace("_", " ")
        try:
            test()
            print(f"ok {number} - {name}", flush=True)
        except Skip as why:
            print(f"ok {number} - {name} # SKIP {why}", flush=True)
        except BaseException:  # a test that exits or is interrupted has failed, too
            failed += 1
            print(f"not ok {number} - {name}")
            for line in traceback.format_exc().splitlines():
                print(f"# {line}", flush=True)
            if "VCH_TAP_STOP" in os.environ:  # whoever asked wants to know whether, not how many (tools/mutate.py)
                break
    sys.exit(1 if failed else 0)
