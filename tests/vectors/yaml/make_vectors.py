#!/usr/bin/env python3
"""Write dump.json and scalars.json beside this file, with what the real PyYAML says.

    python3 -m venv /tmp/v && /tmp/v/bin/pip install pyyaml==6.0.3 && /tmp/v/bin/python make_vectors.py

dump.json     [[text, yaml.dump(yaml.safe_load(text))], ...]
scalars.json  [[plain scalar, the dump of {'a': scalar} or null if safe_load refuses it], ...]
The random ones come from a fixed seed, so that a second run with the same PyYAML changes nothing.
"""
import datetime
import json
import pathlib
import random
import struct

import yaml

HERE = pathlib.Path(__file__).parent
RANDOM = random.Random(20261123)
CHARACTERS = list("abcXYZ019 -_.:#'\"\\?!&*|>%@`{}[],=~<+/") + [
    "\n", "\t", " ", "é", "\u2028", "\x85", "\U0001f600", "\x07", "\ufeff", "\xa0", "\x7f", "\r"]
WORDS = [
    "yes", "no", "on", "off", "y", "n", "N", "true", "False", "null", "~", "", "=", "<<", "-", "--",
    "---", "...", "?", "? a", "- a", ": a", "a: b", "a:b", "a #b", "a#b", "#a", "0x10", "010", "0o7",
    "1e3", "1.0e+3", "1e-05", "1_000", "12:30", "1:30.5", "2024-01-01", "2024-1-1 0:00:00",
    "2024-01-01T00:00:00Z", "+1", "-1", "-.5", ".5", "5.", ".inf", "-.INF", ".nan", "NaN", "0b11",
    "08", "09.5", "0", "-0", "+", "1" * 40, "! a", "a'b", "it's", "'q'", '"q"', "a\nb", "a\n\nb\n",
    "\na", " a", "a ", "a\n b", "a \nb", "%a", "@a", "`a", "x]", "}x", "[x", "a,b", "key: v",
    "http://x/y#z", "0b_", "0x_", "0_", "1__0", "1.e+3", "._1", "0x" + "f" * 40, "190:20:30",
    "2024-02-30", "2024-13-01", "2001-12-14t21:59:43.10-05:00", "2001-12-14 21:59:43.1000001 +5"]


def text():
    kind = RANDOM.random()
    if kind < .3:
        return RANDOM.choice(WORDS)
    if kind < .5:
        return "".join(RANDOM.choice(CHARACTERS) for _ in range(RANDOM.randrange(12)))
    if kind < .7:
        return " ".join("".join(RANDOM.choice("abcdef'\":-#é" if RANDOM.random() < .1 else "abcdef")
                                for _ in range(RANDOM.randrange(1, 14)))
                        for _ in range(RANDOM.randrange(1, 40)))
    if kind < .8:
        return "".join(RANDOM.choice(CHARACTERS) for _ in range(RANDOM.randrange(60, 300)))
    if kind < .85:
        return "a" * RANDOM.randrange(118, 128)
    return "".join(RANDOM.choice("abcdefgh") for _ in range(RANDOM.randrange(1, 9)))


def real():
    kind = RANDOM.random()
    if kind < .3:
        return RANDOM.choice([0.0, -0.0, 1.0, 1e16, 1e15, 123456789.125, 1e-4, 1e-5, float("inf"),
                              float("-inf"), float("nan"), 5e-324, 1.7976931348623157e308,
                              2.0 ** -44, 0.1, 1e22, 1e23])
    if kind < .6:
        return RANDOM.uniform(-1000, 1000)
    if kind < .7:
        return 2.0 ** RANDOM.randrange(-1074, 1023)
    return struct.unpack("<d", struct.pack("<Q", RANDOM.getrandbits(64)))[0]


def moment():
    day = (RANDOM.randrange(2, 9998), RANDOM.randrange(1, 13), RANDOM.randrange(1, 29))
    if RANDOM.random() < .5:
        return datetime.date(*day)
    minutes = datetime.timedelta(minutes=RANDOM.randrange(-1000, 1000))
    return datetime.datetime(*day, RANDOM.randrange(24), RANDOM.randrange(60), RANDOM.randrange(60),
                             RANDOM.choice([0, 500000, 1]),
                             tzinfo=RANDOM.choice([None, datetime.timezone.utc,
                                                   datetime.timezone(minutes)]))


def value(depth):
    kind = RANDOM.random()
    if depth < 5 and kind < .25:
        return [value(depth + 1) for _ in range(RANDOM.choice([0, 1, 2, 3]))]
    if depth < 5 and kind < .6:
        return {RANDOM.randrange(-99, 99) if RANDOM.random() < .1 else text(): value(depth + 1)
                for _ in range(RANDOM.choice([0, 1, 2, 4]))}
    if kind < .75:
        return text()
    if kind < .82:
        return RANDOM.randrange(-10 ** 25, 10 ** 25) // 10 ** RANDOM.randrange(25)
    if kind < .9:
        return real()
    if kind < .93:
        return moment()
    return RANDOM.choice([True, False, None])


def dumps():
    fixed = ["", "a: [ ]\nb: { }\nc:\n", "- - b\n  - - c\n", "a:\n  - b\n  -   c: 1\n      d: 2\n",
             "b: 1\na: 2\nB: 3\n10: x\n", "10: a\n9: b\n-3: c\n", "a: |\n  x\n   y\n\nb: >-\n  x\n  y\n"]
    out = [[source, yaml.dump(yaml.safe_load(source))] for source in fixed]
    while len(out) < 700:
        made = value(0)
        style = RANDOM.choice([{}, {"default_flow_style": True, "width": 50, "allow_unicode": True},
                               {"width": 1000, "indent": 4}])
        source = yaml.dump(made, **style)
        try:
            want = yaml.dump(yaml.safe_load(source))
        except (yaml.YAMLError, ValueError):
            continue
        if "!!" not in source and len(want) < 4000:
            out.append([source, want])
    return out


def scalars():
    plain = [w for w in WORDS if "\n" not in w and w[:1] not in tuple("!&*'\"%@`[]{}#?-: ")]
    for _ in range(1500):
        plain.append("".join(RANDOM.choice("0123456789_:.+-eExXbT") for _ in range(RANDOM.randrange(1, 9))))
    for _ in range(500):
        plain.append("%d-%d-%d%s%d:%d:%d%s%s" % (
            RANDOM.randrange(1900, 2030), RANDOM.randrange(14), RANDOM.randrange(33),
            RANDOM.choice(["T", "t", " ", "  "]), RANDOM.randrange(26), RANDOM.randrange(62),
            RANDOM.randrange(62), RANDOM.choice(["", ".", ".5", ".1234567"]),
            RANDOM.choice(["", " Z", "Z", "+1", "-05:30", " +23:59", "+24:00", "+100"])))
    out = []
    for scalar in plain:
        try:
            out.append([scalar, yaml.dump(yaml.safe_load("a: " + scalar + "\n"))])
        except (yaml.YAMLError, ValueError):
            out.append([scalar, None])
    return out


def write(name, rows):
    lines = ",\n".join(json.dumps(row) for row in rows)
    (HERE / name).write_text("[\n" + lines + "\n]\n", encoding="ascii")


write("dump.json", dumps())
write("scalars.json", scalars())
