#!/usr/bin/env python3
"""Show that each attack's test fails once its defence is deleted.

usage: tools/attacks.py [--build DIR] [--jobs N] [NAME-PART...]     delete, build, run; ends 'N passed, M failed'
       tools/attacks.py --check                                     the list fits the sources, docs/attacks.md the list
       tools/attacks.py --table                                     write docs/attacks.md anew from the list

tests/attacks.toml holds the list: an attack, its defence, the lines of code that are deleted, and the test that must
then fail. The deletions happen in a copy of the checkout below DIR (build-attacks), never in the checkout.
"""
import argparse
import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import tomllib

ROOT = pathlib.Path(__file__).resolve().parent.parent
LIST = ROOT / "tests/attacks.toml"
PAGE = ROOT / "docs/attacks.md"
LINE = re.compile(r"^(not ok|ok)\b\s*\d*\s*-?\s*(.*?)(?:\s*#\s*(SKIP)\b.*)?$", re.I)
FUNCTION = re.compile(r"^(?:static )?[a-z][\w \*]*?\b(\w+)\(", re.M)


def attacks():
    return tomllib.loads(LIST.read_text())["attack"]


def apply(tree, deletions):
    """Delete each; gives what stood there before, to be put back."""
    before = {}
    for one in deletions:
        path = tree / one["file"]
        text = path.read_text()
        before.setdefault(path, text)
        code = one["code"].strip("\n")
        if text.count(code) != 1:
            raise ValueError(f"{one['file']}: this stands there {text.count(code)} times, not once:\n{code}")
        path.write_text(text.replace(code, one.get("with", "").strip("\n")))
    return before


def function_of(one):
    """The function that the deleted code is in, for the table."""
    if "where" in one:
        return one["where"]
    text = (ROOT / one["file"]).read_text()
    at = text.index(one["code"].strip("\n"))
    names = [m[1] for m in FUNCTION.finditer(text[:at + len(one["code"].strip("\n").splitlines()[0]) + 1])]
    return names[-1] if names else "?"


def check():
    """Each deletion finds its code, each test exists, the page is the list's."""
    wrong = []
    for one in attacks():
        for deletion in one["delete"]:
            text = (ROOT / deletion["file"]).read_text()
            count = text.count(deletion["code"].strip("\n"))
            if count != 1:
                wrong.append(f"{one['name']}: {deletion['file']} holds the code to delete {count} times, not once")
        source = ROOT / one["source"]
        if not re.search(rf"\b{one['test'].replace(' ', '_')}\b", source.read_text()):
            wrong.append(f"{one['name']}: {one['source']} has no test '{one['test']}'")
    if not wrong and PAGE.read_text() != page():
        wrong.append("docs/attacks.md is not what tools/attacks.py --table writes")
    return wrong


def page():
    rows = []
    for one in attacks():
        places = list(dict.fromkeys(f"`{d['file'].removeprefix('src/')}`: `{function_of(d)}`" for d in one["delete"]))
        rows.append(f"| {one['name']} | {one['defence']} | {'<br>'.join(places)} | "
                    f"`{one['source'].removeprefix('tests/')}`: {one['test'].replace('_', ' ')} |")
    return ATTACKS_PAGE.replace("@ROWS@", "\n".join(rows)).replace("@COUNT@", str(len(rows)))


ATTACKS_PAGE = """# The known attacks, what stops each, and the test that shows it

Each row is an attack on an attested federation, the defence, where it stands in `src/`, and the test that makes the attack.
The tests are as close to the wire as is sensible: most run through real TLS against the real gate of a genuine participant.

That a test would notice is shown, not believed: `make attacks` deletes the defences one by one in a copy of the checkout,
builds it, and expects the row's test to fail. @COUNT@ rows; the list with the deleted lines is
[tests/attacks.toml](../tests/attacks.toml), and this page is written from it (`tools/attacks.py --table`). What the attacker
may do, and what is out of scope, is in the [threat model](threat-model.md).

| attack | defence | where | test |
|---|---|---|---|
@ROWS@
"""


# --- the scratch copy ---

def copy_checkout(tree):
    """Bring `tree` up to date with the checkout's files; times change only where bytes do."""
    wanted = subprocess.run(["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"], cwd=ROOT,
                            check=True, capture_output=True, text=True).stdout.split("\0")
    wanted = {name for name in wanted if name and (ROOT / name).is_file()}
    for old in [p for p in tree.rglob("*") if p.is_file()]:
        if str(old.relative_to(tree)) not in wanted:
            old.unlink()
    for name in wanted:
        source, target = ROOT / name, tree / name
        if not target.exists() or target.read_bytes() != source.read_bytes():
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(source, target)


def tests_of(build):
    text = subprocess.run(["meson", "introspect", "--tests", build], check=True, capture_output=True, text=True).stdout
    return {t["name"]: t for t in json.loads(text)}


def targets_of(test, build):
    program = pathlib.Path(test["cmd"][0])
    if program.is_relative_to(build):
        return [str(program.relative_to(build))]
    return ["src/vouch", "src/vouch-sim", "src/vouch-verifyd"]


def make(build, targets, jobs):
    done = subprocess.run(["ninja", "-C", build, f"-j{jobs}", *targets], capture_output=True, text=True)
    return None if done.returncode == 0 else (done.stdout + done.stderr)[-2000:]


def outcome(test, name):
    """'ok', 'not ok', 'skipped', or what else happened to the named test."""
    env = dict(os.environ, CMOCKA_MESSAGE_OUTPUT="TAP", **test["env"])
    process = subprocess.Popen(test["cmd"], env=env, cwd=test["workdir"], text=True, errors="replace",
                               stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                               start_new_session=True)
    try:
        output, _ = process.communicate(timeout=test["timeout"] or 300)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        output, _ = process.communicate()
        return "hung"
    for line in output.splitlines():
        found = LINE.match(line)
        if found and found[2].replace("_", " ") == name.replace("_", " "):
            return "skipped" if found[3] else found[1].lower()
    return f"exit {process.returncode} before it" if process.returncode else "absent"


def run(args):
    build_dir = (ROOT / args.build).resolve()
    tree, build = build_dir / "tree", build_dir / "build"
    tree.mkdir(parents=True, exist_ok=True)
    copy_checkout(tree)
    if not (build / "build.ninja").exists():
        compiler = "ccache gcc" if shutil.which("ccache") else "gcc"
        subprocess.run(["meson", "setup", build, tree], check=True, capture_output=True,
                       env=dict(os.environ, CC=os.environ.get("CC", compiler)))
    chosen = [a for a in attacks() if not args.words or any(w in a["name"] for w in args.words)]
    make(build, ["build.ninja"], 1)  # the copy may have other tests than last time
    tests = tests_of(build)
    targets = sorted({t for a in chosen for t in targets_of(tests[a["program"]], build)})
    trouble = make(build, targets, args.jobs)
    if trouble:
        print(trouble)
        sys.exit("the copy does not build")
    passed = failed = 0
    for one in chosen:
        said = trial(one, tree, build, tests[one["program"]], args.jobs)
        if said is None:
            passed += 1
            print(f"ok   {one['name']}", flush=True)
        else:
            failed += 1
            print(f"FAIL {one['name']}: {said}", flush=True)
    print(f"{passed} passed, {failed} failed")
    sys.exit(1 if failed or not passed else 0)


def trial(one, tree, build, test, jobs):
    """None if the test passes with the defence and fails without it, or what is wrong."""
    said = outcome(test, one["test"])
    if said != "ok":
        return f"with the defence in place its test says '{said}'"
    try:
        before = apply(tree, one["delete"])
    except ValueError as why:
        return str(why)
    try:
        trouble = make(build, targets_of(test, build), jobs)
        if trouble:
            return "without the defence it does not build:\n" + trouble
        said = outcome(test, one["test"])
    finally:
        for path, text in before.items():
            path.write_text(text)
        make(build, targets_of(test, build), jobs)
    if said in ("ok", "skipped", "absent"):
        return f"SURVIVED: without the defence its test says '{said}'"
    return None


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true")
    parser.add_argument("--table", action="store_true")
    parser.add_argument("--build", default="build-attacks")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    parser.add_argument("words", nargs="*", metavar="NAME-PART")
    args = parser.parse_args()
    if args.table:
        PAGE.write_text(page())
    elif args.check:
        wrong = check()
        print("\n".join(wrong) if wrong else f"{len(attacks())} attacks, each with its test and its deletion")
        sys.exit(1 if wrong else 0)
    else:
        run(args)


main()
