#!/usr/bin/env python3
"""Make a C file that holds other files, so that a program needs none of them beside it.

usage: tools/embed.py OUT.c NAME FILE [NAME FILE]...      (the table of src/fed/workspace/template_source.h)
"""
import pathlib
import sys

HEAD = """#include "fed/workspace/template_source.h"

"""


def array(number, content):
    rows = (", ".join(map(str, content[at:at + 24])) for at in range(0, len(content), 24))
    return f"static const uint8_t bytes_{number}[] = {{\n    " + ",\n    ".join(rows) + "\n};\n"


def main():
    out, *words = sys.argv[1:]
    names, contents = words[::2], [pathlib.Path(file).read_bytes() for file in words[1::2]]
    rows = "".join(f'    {{ "{name}", {{ bytes_{i}, sizeof bytes_{i} }} }},\n' for i, name in enumerate(names))
    pathlib.Path(out).write_text(
        HEAD + "\n".join(array(i, content) for i, content in enumerate(contents))
        + f"\nconst vch_template_source vch_template_sources[] = {{\n{rows}}};\n"
        + f"const size_t vch_template_source_count = {len(names)};\n")


main()
