#!/usr/bin/env python3
"""Record what the real OpenFL's straggler policies and assigners decide.

    for each release R: python3 -m venv vR && vR/bin/pip install openfl==R 'numpy<2.3'
    vR/bin/python make_round_vectors.py R OUT_DIR

openfl 1.5.1, 1.6, 1.7.1, 1.8 and 1.9 made the same stragglers.txt and assigners.txt; selected_groups.txt is 1.8's and
1.9's, which alone know selected_task_group.

stragglers.txt: policy, its number (seconds or share), minimum_reporting, members, done, seconds since the first
hand-out, is the round over. The moment of the cutoff itself is left out: OpenFL's clock never meets it.
assigners.txt: `random` members, the groups' shares, then how many members do each group's tasks, or `refused`;
`static` members, the groups' members, then the group of each member, or `refused`.
selected_groups.txt: as `random`, with the selected group before the result.
"""
import logging
import pathlib
import sys
import time

release, out = sys.argv[1], pathlib.Path(sys.argv[2])
number = tuple(map(int, release.split(".")[:2]))
logging.disable(logging.CRITICAL)

if number < (1, 8):
    from openfl.component.straggler_handling_functions import CutoffTimeBasedStragglerHandling as Cutoff
    from openfl.component.straggler_handling_functions import PercentageBasedStragglerHandling as Percentage
else:
    from openfl.component.aggregator.straggler_handling import CutoffTimePolicy as Cutoff
    from openfl.component.aggregator.straggler_handling import PercentagePolicy as Percentage
from openfl.component import RandomGroupedAssigner, StaticGroupedAssigner

START = 1_000_000.0
moment = [START]
time.time = lambda: moment[0]



def decide(policy, done, members, elapsed):
    moment[0] = START
    if number < (1, 6):  # what its aggregator does: start the clock itself, and ask whether all are done itself
        policy.round_start_time = START
        moment[0] = START + elapsed
        return policy.straggler_cutoff_check(done, range(members)) or done == members
    if isinstance(policy, Cutoff):
        policy.start_policy(callback=lambda: None)
    moment[0] = START + elapsed
    over = policy.straggler_cutoff_check(done, members)
    policy.reset_policy_for_round()
    return over


lines = []
for cutoff in (1.0, 60.0, float("inf")):
    for minimum in (1, 2, 3):
        for members in (3, 10):
            for done in (1, 2, 3, 9, 10):
                for elapsed in (0.0, 0.5, 2.0, 59.0, 61.0, 1000.0):
                    if done > members:
                        continue
                    policy = Cutoff(straggler_cutoff_time=cutoff, minimum_reporting=minimum)
                    over = decide(policy, done, members, elapsed)
                    lines.append(f"cutoff {cutoff} {minimum} {members} {done} {elapsed} {int(over)}")
for share in (0.0, 0.1, 0.29, 0.3, 0.5, 0.58, 0.7, 1.0):
    for minimum in (1, 2, 7):
        for members in (7, 10, 30, 100):
            for done in (1, 2, 3, 5, 7, 9, 10, 21, 22, 29, 30, 57, 58, 59, 100):
                if done <= members:
                    policy = Percentage(percent_collaborators_needed=share, minimum_reporting=minimum)
                    over = decide(policy, done, members, 0.0)
                    lines.append(f"percentage {share} {minimum} {members} {done} 0.0 {int(over)}")
(out / "stragglers.txt").write_text("\n".join(lines) + "\n")


def build(cls, groups, members, **more):
    names = [f"col{i}" for i in range(members)]
    tasks = {f"t{i}": {"function": "train", "kwargs": {}} for i in range(len(groups))}
    try:
        return cls(task_groups=groups, tasks=tasks, authorized_cols=names, rounds_to_train=3, **more), names
    except AssertionError:
        return None, names


def group_of(assigner, name, round_number):
    tasks = assigner.get_tasks_for_collaborator(name, round_number)
    tasks = [getattr(task, "name", task) for task in tasks]
    assert len(tasks) == 1, tasks
    return int(tasks[0][1:])


def random_line(members, shares, selected=None):
    groups = [{"name": f"g{i}", "percentage": share, "tasks": [f"t{i}"]} for i, share in enumerate(shares)]
    more = {} if selected is None else {"selected_task_group": f"g{selected}"}
    assigner, names = build(RandomGroupedAssigner, groups, members, **more)
    answer = "refused"
    if assigner is not None:
        counts = [[sum(group_of(assigner, n, r) == i for n in names) for i in range(len(shares))] for r in range(3)]
        assert counts[0] == counts[1] == counts[2]
        answer = ",".join(map(str, counts[0]))
    chosen = "" if selected is None else f"{selected} "
    return f"random {members} {','.join(map(str, shares))} {chosen}{answer}"


def static_line(members, groups):
    described = [{"name": f"g{i}", "tasks": [f"t{i}"], "collaborators": [f"col{m}" for m in who]}
                 for i, who in enumerate(groups)]
    assigner, names = build(StaticGroupedAssigner, described, members)
    answer = "refused" if assigner is None else ",".join(str(group_of(assigner, n, 1)) for n in names)
    return f"static {members} {';'.join(','.join(map(str, who)) for who in groups)} {answer}"


lines = [random_line(n, shares) for n in (1, 2, 3, 4, 10, 100)
         for shares in ((1.0,), (0.5, 0.5), (0.7, 0.3), (0.29, 0.71), (0.6, 0.2, 0.2), (1.0, 0.0), (0.995,), (0.9,),
                        (0.25, 0.25, 0.25, 0.25), (0.58, 0.42), (0.1, 0.9))]
lines += [static_line(n, groups) for n, groups in (
    (1, [[0]]), (3, [[2, 0], [1]]), (3, [[0, 1, 2]]), (4, [[3], [2], [1], [0]]), (3, [[0, 1]]), (3, [[0, 1], [1]]),
    (3, [[0, 1, 2], [0]]), (5, [[4, 1, 3], [0, 2]]), (2, [[0], [0]]))]
(out / "assigners.txt").write_text("\n".join(lines) + "\n")
if number >= (1, 8):
    lines = [random_line(n, shares, chosen) for n in (1, 3, 10)
             for shares, chosen in (((1.0, 0.0), 0), ((1.0, 0.0), 1), ((0.5, 0.5), 1), ((0.2, 0.3, 0.9), 2))]
    (out / "selected_groups.txt").write_text("\n".join(lines) + "\n")
