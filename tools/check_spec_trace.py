#!/usr/bin/env python3
"""Does docs/spec-trace.md lead from every rule to code and a test that exist?

Every numbered rule of sections 4 and 6 of docs/facts/dcap_quote_verification.md, and each of its other sections that
states rules, must have a row; each `file:function` and `corpus:ID` of a row must be there.
"""
import json
import os
import re
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


def read(*path):
    with open(os.path.join(ROOT, *path), encoding="utf-8") as file:
        return file.read()


def rules():
    """"1.1", "2", "4.13", "6.22": what has to be traced. Rule 6 of section 4 is written inside the text of rule 5."""
    wanted, section = [], ""
    for line in read("docs", "facts", "dcap_quote_verification.md").splitlines():
        heading = re.match(r"^(##+) (\d+(?:\.\d+)?)\.? ", line)
        number = re.match(r"^\s*(\d+)\. ", line)
        if heading:
            section = heading[2]
            if section in ("2", "3", "5") or "." in section:
                wanted.append(section)
        elif number and section in ("4", "6"):
            wanted.append(f"{section}.{number[1]}")
    steps = [int(w.split(".")[1]) for w in wanted if w.startswith("4.")]
    pitfalls = [int(w.split(".")[1]) for w in wanted if w.startswith("6.")]
    if sorted(set(pitfalls)) != list(range(1, 23)) or max(steps) != 19:
        sys.exit("the rules of the facts page are not read as they were: adapt tools/check_spec_trace.py")
    return {*wanted, *(f"4.{n}" for n in range(1, 20))}


def defines(path, name):
    text = read(*path.split("/"))
    if path.endswith(".py"):
        return re.search(rf"^def {name}\(", text, re.M)
    # the definition, not a call: a line of its own that ends in the body's brace
    return re.search(rf"^[a-z][\w \*]*\b{name}\((?:[^;{{}}]|\n)*\)\n\{{", text, re.M)


def main():
    cases = {case["id"] for case in json.loads(read("tests", "vectors", "quotes", "manifest.json"))["cases"]}
    faults, traced = [], set()
    for number, line in enumerate(read("docs", "spec-trace.md").splitlines(), 1):
        row = re.match(r"^\| (\d+(?:\.\d+)?) \|[^|]*\|([^|]*)\|([^|]*)\|$", line)
        if not row:
            continue
        traced.add(row[1])
        for cell, folder in ((row[2], "src"), (row[3], "tests")):
            names = re.findall(r"`([^`]+)`", cell)
            if not names:
                faults.append(f"{number}: rule {row[1]} names nothing below {folder}/")
            for name in names:
                path, _, function = name.partition(":")
                if path == "corpus" and folder == "tests":
                    known = function in cases
                else:
                    known = os.path.exists(os.path.join(ROOT, folder, path)) and defines(f"{folder}/{path}", function)
                if not known:
                    faults.append(f"{number}: `{name}` is not there")
    faults += [f"rule {rule} has no row" for rule in sorted(rules() - traced)]
    faults += [f"there is no rule {rule}" for rule in sorted(traced - rules())]
    for fault in faults:
        print(f"docs/spec-trace.md:{fault}")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
