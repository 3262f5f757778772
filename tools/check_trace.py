#!/usr/bin/env python3
"""Do the traces from rules to code and tests still point at something?

usage: tools/check_trace.py PAGE...

In a table's row, `src file: function` (the file below src/) must name a function of that file, and
`tests file: test name` (below tests/) a test of that file. A row without either is counted as open.
"""
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
REFERENCE = re.compile(r"`(src|tests|tools) ([\w./-]+): ([^`]+)`")


def is_there(kind, file, name):
    path = ROOT / kind / file
    if not path.is_file():
        return False
    word = name.replace(" ", "_") if kind == "tests" else name
    text = path.read_text()
    return re.search(rf"\b{re.escape(word)}\b", text) is not None or name in text


def check(page):
    wrong, traced, open_rows = [], 0, 0
    for number, line in enumerate(page.read_text().splitlines(), 1):
        if not line.startswith("|") or set(line) <= set("|-: ") or line.startswith("| rule"):
            continue
        found = REFERENCE.findall(line)
        kinds = {kind for kind, _, _ in found}
        traced += "src" in kinds and "tests" in kinds
        open_rows += not found
        wrong += [f"{page.relative_to(ROOT)}:{number}: {kind}/{file} has no '{name}'"
                  for kind, file, name in found if not is_there(kind, file, name)]
    return wrong, traced, open_rows


def main():
    failed = False
    for name in sys.argv[1:]:
        wrong, traced, open_rows = check(pathlib.Path(name).resolve())
        print("\n".join(wrong + [f"{name}: {traced} rules with function and test, {open_rows} open"]))
        failed = failed or bool(wrong)
    sys.exit(1 if failed else 0)


main()
