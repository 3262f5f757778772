"""Rounds that end without one of three, which stands still in the middle of its work."""
import contextlib
import pathlib
import signal
import time

import openfl_peer as peer

RUNNER = ("src.digits.DigitsDataLoader", "{}", "src.standing.StandingTaskRunner", "{who: col3}")
CUTOFF_S = 8  # by then two that start when the third stands still have reported, unless the machine is busy


def policies(release):
    """{what it is: (template, settings)} as that release names them. 1.5.1 asks its policy only when a result comes,
    so there the time must be up by then."""
    old = peer.number(release) < (1, 8)
    where = "straggler_handling_functions" if old else "aggregator.straggler_handling"
    cutoff, percentage = ("CutoffTimeBasedStragglerHandling", "PercentageBasedStragglerHandling") if old else \
                         ("CutoffTimePolicy", "PercentagePolicy")
    seconds = 0.001 if peer.number(release) < (1, 6) else CUTOFF_S
    return {"cutoff": (f"openfl.component.{where}.{cutoff}",
                       f"{{straggler_cutoff_time: {seconds}, minimum_reporting: 2}}"),
            "percentage": (f"openfl.component.{where}.{percentage}",
                           "{percent_collaborators_needed: 0.6, minimum_reporting: 1}")}


def wait_until_it_stands_still(process, seconds=120):
    until = time.monotonic() + seconds
    while True:
        status = pathlib.Path(f"/proc/{process.child.pid}/stat").read_text()
        if status.rpartition(")")[2].split()[0] == "T":
            return
        assert process.child.poll() is None and time.monotonic() < until, process.tail()
        time.sleep(0.1)


def play(aggregator, collaborators, over=None):
    """The last of the collaborators stands still before the others begin, and goes on when the rounds are over: when our
    aggregator says so, which then waits for it 30 s, or the others have ended. Returns the aggregator's process."""
    with contextlib.ExitStack() as stack:
        server = stack.enter_context(peer.start([aggregator])[0])
        peer.until_it_listens(server, aggregator[1])
        straggler = stack.enter_context(peer.start(collaborators[-1:])[0])
        wait_until_it_stands_still(straggler)
        others = [stack.enter_context(one) for one in peer.start(collaborators[:-1])]
        if over is None:
            peer.see_to_the_end(others)
        else:
            server.event(over, 300)
        straggler.child.send_signal(signal.SIGCONT)
        peer.see_to_the_end([server, *others, straggler])
    return server
