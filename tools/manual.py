#!/usr/bin/env python3
"""Make the manual page and the bash completion of a program out of its own --help.

usage: tools/manual.py PROGRAM OUT.1 OUT.bash

The program's option tables are the one source: nothing here knows a command or an option by name.
"""
import pathlib
import re
import subprocess
import sys

OPTION = re.compile(r"^  (?:(-\w), )?(--[\w-]+)(?: (\S+))?\s{1,}(.*)$")


def help_of(program, words):
    return subprocess.run([program, *words, "--help"], capture_output=True, text=True, check=True).stdout


def commands_of(text):
    _, found, listed = text.partition("\nCommands:\n")
    rows = [line for line in listed.split("\n\n")[0].splitlines() if line.startswith("  ")]
    return [(re.split(r"\s{2,}", r.strip(), maxsplit=1) + [""])[:2] for r in rows] if found else []


def options_of(text):
    rows = text.partition("\nOptions:\n")[2].splitlines()
    return [m.groups() for m in map(OPTION.match, rows) if m]


def troff(text):
    lines = text.replace("\\", "\\e").replace("-", "\\-").splitlines()
    return "\n".join("\\&" + line if line.startswith((".", "'")) else line for line in lines)


def page_of_command(usage_text):
    usage, _, rest = usage_text.partition("\n\n")
    prose = rest.partition("\nOptions:\n")[0].strip()
    out = [f".SS {troff(usage.removeprefix('usage: '))}", troff(prose)]
    for short, long, argument, words in options_of(usage_text):
        names = ", ".join(n for n in (short, long) if n)
        out += [".TP", f".B {troff(names)}" + (f" \\fI{troff(argument)}\\fR" if argument else ""), troff(words)]
    return "\n".join(out)


def manual(name, top, pages):
    summary = top.split("\n\n")[1].strip()
    head = [f'.TH {name.upper()} 1 "" "Vouch" "User Commands"', ".SH NAME", f"{name} \\- {troff(summary)}",
            ".SH COMMANDS" if len(pages) > 1 else ".SH SYNOPSIS"]
    tail = [".SH EXIT STATUS", ".TP", ".B 0", "done, or admitted", ".TP", ".B 1",
            "the answer is no: a verdict refuses, a peer is refused, a token is invalid", ".TP", ".B 2",
            "usage or configuration", ".TP", ".B 3", "could not find out", ".TP", ".B 70",
            "a fault of the program"]
    return "\n".join(head + pages + tail) + "\n"


def completion(name, table):
    words = sorted({c.split(" ")[0] for c in table if c})
    out = [f"# bash completion for {name}", f"_{name.replace('-', '_')}() {{",
           '    local cur=${COMP_WORDS[COMP_CWORD]} one="${COMP_WORDS[1]}" two="${COMP_WORDS[1]} ${COMP_WORDS[2]}" words',
           f'    if [[ $COMP_CWORD -eq 1 ]]; then words="{" ".join(words) if words else " ".join(table.get("", []))}"',
           '    else', '        case "$two" in']
    for command, options in sorted(table.items()):
        if " " in command:
            out.append(f'        "{command}") words="{" ".join(options)}" ;;')
    out += ['        *) case "$one" in']
    for word in words:
        seconds = sorted(c.split(" ")[1] for c in table if c.startswith(word + " "))
        out.append(f'            "{word}") words="{" ".join(seconds + table.get(word, []))}" ;;')
    out += [f'            *) words="{" ".join(table.get("", []))}" ;;', '            esac ;;', '        esac', '    fi',
            '    mapfile -t COMPREPLY < <(compgen -W "$words" -- "$cur")', "}",
            f"complete -o default -F _{name.replace('-', '_')} {name}"]
    return "\n".join(out) + "\n"


def main():
    program, page, script = sys.argv[1:]
    name = pathlib.Path(program).name
    top = help_of(program, [])
    texts = {c: help_of(program, c.split()) for c, _ in commands_of(top)} or {"": top}
    pathlib.Path(page).write_text(manual(name, top, [page_of_command(t) for t in texts.values()]))
    table = {c: [long for _, long, _, _ in options_of(t)] for c, t in texts.items()}
    pathlib.Path(script).write_text(completion(name, table))


main()
