#!/usr/bin/env python3
"""Delete one refusal at a time from what decides, and see whether a test notices.

usage: tools/mutate.py [--folder FOLDER]... [--list] [--again] [--only PART]... [--limit N]

A mutant is a refusal that is not there: an `if` whose body refuses, one operand of its `||` chain, one operand of a
boolean `&&` chain, or a call to a check. All mutants are compiled into one copy of the tree (build-mutate/) and
chosen by the variable VCH_MUTANT when a test runs, so that a mutant costs no compiler. Tests run shortest and
likeliest first and stop at the first that fails. Results are kept in build-mutate/state.json: stop it whenever you
like and start it again; survivors are tried again, killed ones only with --again or when their function changed.

tools/mutate.explained names the mutants that change nothing that could be told apart, one a line, with the reason.
Exit status 1 if a mutant survived that is not explained there. Ends with 'N passed, M failed'.
"""
import argparse
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import time

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
WORK = os.path.join(ROOT, "build-mutate")
TREE, BUILD = os.path.join(WORK, "tree"), os.path.join(WORK, "tree", "build")
FOLDERS = ["src/evidence", "src/collateral", "src/verify", "src/policy"]  # without --folder
# which tests may notice: those of the appraisal (verify/corpus is the corpus), for policies the prompt, for the
# service the service itself; of any other folder its own
CORE = ["evidence/", "collateral/", "policy/", "verify/"]
SUITES = {"src/evidence": CORE, "src/collateral": CORE, "src/verify": CORE, "src/policy": [*CORE, "e2e/policy"],
          "src/result": ["result/", "identity/issuer"], "src/svc": ["svc/", "e2e/verifyd"]}
# what handles a failure of the machine's is tried by failing every allocation; nothing else is
ERROR_PATH = re.compile(r"\brc [!=]= VOUCH_OK|== NULL|!= NULL|VOUCH_E_|memory|lost")
ERROR_TESTS = ["verify/memory"]
TIMEOUT = 120

REFUSES = re.compile(r"vouch_fail\(|return vouch_wrap\(|reasons_(add|append)\w*\(|refuse\w*\(|mismatch\(|faults_at\(|fails?\("
                     r"|return false;|return rc;|return NULL;|good = false|lost = true|failed = ")
CHECK_CALL = re.compile(r"^([ \t]+)((?:rc = |\(void\))?(?:vch_)?(?:check|judge|verify)_\w+\(|vch_work_dates\(|"
                        r"rc = vch_root_check\()", re.M)
CHAIN = re.compile(r"\b(return|(?:bool )?(?:good|same|signer|attributes|known|fits) =|a->\w+ =|\*out_\w+ =)\s")
DECLARATION = """/* tools/mutate.py: which refusal is missing in this run. */
extern int vch_mutant_number;
#define VCH_MUTANT(n) (vch_mutant_number == (n))
"""
SWITCH = """#include <stdlib.h>
int vch_mutant_number;
__attribute__((constructor)) static void choose(void)
{
    const char *text = getenv("VCH_MUTANT");
    vch_mutant_number = text == NULL ? 0 : atoi(text);
}
"""


def blank(text):
    """The text with comments, strings, characters and preprocessor lines blanked out, every place kept."""
    def spaces(match):
        return re.sub(r"[^\n]", " ", match[0])
    pattern = r'/\*.*?\*/|//[^\n]*|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])+\'|^[ \t]*#(?:[^\n]*\\\n)*[^\n]*'
    return re.sub(pattern, spaces, text, flags=re.S | re.M)


def closing(text, at):
    """The place of the bracket that closes the one at `at`."""
    depth = 0
    for i in range(at, len(text)):
        depth += text[i] in "([{"
        depth -= text[i] in ")]}"
        if depth == 0:
            return i
    raise ValueError("unbalanced")


def statement_end(text, at):
    """Where the statement that begins at `at` ends (one past)."""
    while text[at].isspace():
        at += 1
    if text[at] == "{":
        return closing(text, at) + 1
    i = at
    while text[i] != ";":
        i = closing(text, i) + 1 if text[i] in "([{" else i + 1
    return i + 1


def split(text, begin, end, operator):
    """Top-level operands of `operator`; none if the chain is not plain."""
    parts, i, start = [], begin, begin
    while i < end:
        if text[i] in "([{":
            i = closing(text, i) + 1
            continue
        pair = text[i:i + 2]
        if pair == operator:
            parts.append((start, i))
            start = i + 2
            i += 2
            continue
        if text[i] == "?" or (operator == "&&" and pair == "||"):
            return []
        i += 1
    parts.append((start, end))
    return parts if len(parts) > 1 else []


def function_at(plain, at):
    name = "?"
    for match in re.finditer(r"^[a-z][^\n;={}]*?\b(\w+)\([^;{}]*\)\s*\n\{", plain, re.M):
        if match.start() > at:
            break
        name = match[1]
    return name


def function_text(plain, text, at):
    begin = plain.rfind("\n{", 0, at)
    return text[begin:closing(plain, begin + 1)] if begin >= 0 else ""


def find(path, text):
    """Mutants of a file: (key, digest of the function, begin, end, what to put there: @ is the text, # the number)."""
    plain, found, seen = blank(text), [], {}

    def add(kind, begin, end, form):
        shown = " ".join(text[begin:end].split())
        key = " | ".join((path, function_at(plain, begin), kind, shown))
        seen[key] = seen.get(key, 0) + 1
        if seen[key] > 1:
            key += f" ({seen[key]})"
        digest = hashlib.sha256(function_text(plain, text, begin).encode()).hexdigest()[:16]
        found.append((key, digest, begin, end, form))

    for match in re.finditer(r"\bif \(", plain):
        opened = match.end() - 1
        closed = closing(plain, opened)
        body = plain[closed + 1:statement_end(plain, closed + 1)]
        if not REFUSES.search(body):
            continue
        operands = split(plain, opened + 1, closed, "||")
        if operands:
            for begin, end in operands:
                add("operand", begin, end, "((@) && !VCH_MUTANT(#))")
        else:
            add("if", opened + 1, closed, "(@) && !VCH_MUTANT(#)")
    for match in CHAIN.finditer(plain):
        end = statement_end(plain, match.end()) - 1
        for begin, stop in split(plain, match.end(), end, "&&"):
            add("conjunct", begin, stop, "((@) || VCH_MUTANT(#))")
    for match in CHECK_CALL.finditer(plain):
        begin = match.start(2)
        end = statement_end(plain, begin)
        before = plain[:begin].rstrip()
        if before[-1] not in ";{})" or plain.rfind("\n{", 0, begin) < plain.rfind("\n}", 0, begin):
            continue
        add("call", begin, end, "{ if (!VCH_MUTANT(#)) @ }")
    return found


def instrument(text, mutants):
    """The text with every mutant in it. Mutants may nest: the innermost is put in first."""
    edits = []  # (place, order, text); insertions only, so that places of the original stay true
    for number, (_, _, begin, end, form) in mutants:
        before, after = form.replace("#", str(number)).split("@")
        while text[begin].isspace():
            begin += 1
        while text[end - 1].isspace():
            end -= 1
        edits.append((begin, 1, -end, before))
        edits.append((end, 0, -begin, after))
    out, at = [], 0
    for place, _, _, piece in sorted(edits):
        out += [text[at:place], piece]
        at = place
    return DECLARATION + "".join(out) + text[at:]


def all_mutants():
    listed = subprocess.run(["git", "ls-files", "-co", "--exclude-standard", *FOLDERS], cwd=ROOT, check=True,
                            capture_output=True, text=True).stdout.split()
    found = []
    for path in sorted(p for p in listed if p.endswith(".c")):
        with open(os.path.join(ROOT, path), encoding="utf-8") as file:
            found += [(path, m) for m in find(path, file.read())]
    return list(enumerate(found, 1))


def suites(path):
    """Beginnings of the names of the tests that may notice a mutant in `path`."""
    folder = next(f for f in FOLDERS if path.startswith(f + "/"))
    return SUITES.get(folder, [folder[len("src/"):] + "/"])


def build(mutants):
    """Copy the tree, put the mutants in, build the programs and tests that are needed."""
    files = subprocess.run(["git", "ls-files", "-co", "--exclude-standard"], cwd=ROOT, check=True,
                           capture_output=True, text=True).stdout.splitlines()
    for name in files:
        source, target = os.path.join(ROOT, name), os.path.join(TREE, name)
        if not os.path.isfile(source):
            continue
        os.makedirs(os.path.dirname(target), exist_ok=True)
        if name.endswith(".c") and any(name.startswith(f + "/") for f in FOLDERS):
            with open(source, encoding="utf-8") as file:
                text = file.read()
            text = instrument(text, [(n, m) for n, (path, m) in mutants if path == name])
        elif name == "src/base/meson.build":
            with open(source, encoding="utf-8") as file:
                text = file.read() + "\ncore_src += files('mutant.c')\n"
        else:
            if not os.path.exists(target) or os.stat(source).st_mtime > os.stat(target).st_mtime:
                shutil.copy2(source, target)
            continue
        write_changed(target, text)
    write_changed(os.path.join(TREE, "src/base/mutant.c"), SWITCH)
    if not os.path.exists(os.path.join(BUILD, "build.ninja")):
        run_or_die(["meson", "setup", BUILD, TREE])
    run_or_die(["ninja", "-C", BUILD, "build.ninja"])  # new tests are listed once meson has read them
    tests = json.loads(subprocess.run(["meson", "introspect", "--tests", BUILD], check=True, capture_output=True,
                                      text=True).stdout)
    tests = [t for t in tests if any(t["name"].startswith(s) for f in FOLDERS for s in suites(f + "/"))]
    run_or_die(["ninja", "-C", BUILD, "src/vouch", "src/vouch-sim", "src/vouch-verifyd",
                *(os.path.relpath(t["cmd"][0], BUILD) for t in tests if not t["name"].startswith("e2e/"))])
    return tests


def write_changed(path, text):
    if os.path.exists(path):
        with open(path, encoding="utf-8") as file:
            if file.read() == text:
                return
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)


def run_or_die(command):
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        sys.exit(f"mutate: {' '.join(command[:3])} failed:\n{(done.stdout + done.stderr)[-4000:]}")


def passes(test, number):
    # a sample of the flipped bits (tests/verify/flips.h): all of them take longer than all other tests
    env = dict(os.environ, VCH_MUTANT=str(number), VCH_FLIP_STRIDE="509", CMOCKA_MESSAGE_OUTPUT="TAP",
               VCH_TAP_STOP="1", **test["env"])
    try:
        done = subprocess.run(test["cmd"], env=env, cwd=test["workdir"], timeout=TIMEOUT, check=False,
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    except subprocess.TimeoutExpired:
        return False
    # an assertion in a set-up fails every test without a failed status in some versions of cmocka
    return done.returncode == 0 and b"\nnot ok" not in b"\n" + done.stdout


def ordered(tests, key, path, killers):
    """Likeliest first: the module's own test, then what killed here before, then by time."""
    if not ERROR_PATH.search(key):
        tests = [t for t in tests if t["name"] not in ERROR_TESTS]
    own = path[len("src/"):-len(".c")]
    folder = own.split("/", maxsplit=1)[0] + "/"

    def rank(test):
        name = test["name"]
        return (name != own, -killers.get((path, name), 0), not name.startswith(folder), test["seconds"])
    return sorted((t for t in tests if any(t["name"].startswith(s) for s in suites(path))), key=rank)


def explanations():
    path = os.path.join(ROOT, "tools", "mutate.explained")
    out = {}
    if os.path.exists(path):
        with open(path, encoding="utf-8") as file:
            for line in file:
                if line.strip() and not line.startswith("#"):
                    key, _, reason = line.rstrip("\n").rpartition(" | ")
                    out[key] = reason
    return out


def load_state():
    try:
        with open(os.path.join(WORK, "state.json"), encoding="utf-8") as file:
            return json.load(file)
    except (OSError, ValueError):
        return {}


def save_state(state):
    path = os.path.join(WORK, "state.json")
    with open(path + ".new", "w", encoding="utf-8") as file:
        json.dump(state, file, indent=0, sort_keys=True)
    os.replace(path + ".new", path)


def try_mutants(todo, tests, state):
    killers = {}
    for count, (number, (path, (key, digest, *_))) in enumerate(todo, 1):
        killer = None
        for test in ordered(tests, key, path, killers):
            if not passes(test, number):
                killer = test["name"]
                killers[path, killer] = killers.get((path, killer), 0) + 1
                break
        state[key] = {"digest": digest, "killer": killer}
        save_state(state)
        print(f"{count}/{len(todo)} {'killed by ' + killer if killer else 'SURVIVED'}: {key}", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--folder", action="append", default=[], help=f"of src/; otherwise {', '.join(FOLDERS)}")
    parser.add_argument("--list", action="store_true", help="name the mutants and stop")
    parser.add_argument("--again", action="store_true", help="also those that were killed before")
    parser.add_argument("--only", action="append", default=[], metavar="PART", help="of a mutant's name")
    parser.add_argument("--limit", type=int, default=0, help="try at most so many now")
    args = parser.parse_args()
    FOLDERS[:] = [f.rstrip("/") for f in args.folder] or FOLDERS
    mutants = all_mutants()
    if args.list:
        for _, (_, (key, *_)) in mutants:
            print(key)
        return 0
    os.makedirs(WORK, exist_ok=True)
    tests, state, explained = build(mutants), load_state(), explanations()
    for test in tests:
        began = time.monotonic()
        if not passes(test, 0):
            sys.exit(f"mutate: {test['name']} fails without any mutant")
        test["seconds"] = time.monotonic() - began
    wanted = [m for m in mutants if not args.only or any(part in m[1][1][0] for part in args.only)]
    todo = [(n, (path, m)) for n, (path, m) in wanted if m[0] not in explained
            and (args.again or state.get(m[0], {}).get("digest") != m[1] or not state[m[0]]["killer"])]
    todo.sort(key=lambda m: m[1][1][0] in state)  # what was never tried first, then survivors
    try_mutants(todo[:args.limit or None], tests, state)
    keys = [m[0] for _, (_, m) in wanted]
    survived = [k for k in keys if k not in explained and k in state and not state[k]["killer"]]
    stale = sorted(e for e in set(explained) - {m[0] for _, (_, m) in mutants} if e.startswith(tuple(FOLDERS)))
    untried = [k for k in keys if k not in explained and k not in state]
    killed = len(keys) - len(survived) - len(untried) - sum(k in explained for k in keys)
    for key in survived:
        print(f"survived: {key}")
    for key in stale:
        print(f"explained, but not there any more: {key}")
    print(f"{len(keys)} mutants: {killed} killed, {sum(k in explained for k in keys)} explained, "
          f"{len(survived)} survived, {len(untried)} not tried yet")
    print(f"{killed} passed, {len(survived) + len(stale)} failed")
    return 1 if survived or stale or untried else 0


if __name__ == "__main__":
    sys.exit(main())
