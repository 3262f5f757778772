#!/usr/bin/env python3
"""Hold every #include under src/ to the picture in src/LAYERS."""
import pathlib
import re
import sys

SRC = pathlib.Path(__file__).resolve().parent.parent / "src"


def read_layers():
    allowed, guarded = {}, {}
    for line in (SRC / "LAYERS").read_text().splitlines():
        line = line.split("#")[0].strip()
        if not line:
            continue
        folder, rest = line.split(":", 1)
        folders, _, headers = rest.partition("|")
        for name in folders.split():
            if name not in allowed:
                sys.exit(f"src/LAYERS: '{folder}' names '{name}', which does not stand above it")
        allowed[folder] = set(folders.split()) | {folder}
        for header in headers.split():
            guarded.setdefault(header, set()).add(folder)
    return allowed, guarded


def fault(folder, header, system, allowed, guarded):
    if system:
        for prefix, owners in guarded.items():
            if header.startswith(prefix) and folder not in owners:
                return f"<{header}> belongs to {', '.join(sorted(owners))}"
    elif header.startswith("."):
        return f"relative include '{header}'"
    elif not header.startswith("vouch/"):
        target = str(pathlib.PurePosixPath(header).parent)
        if target not in allowed[folder]:
            return f"'{folder}' may not include '{target}'"
    return None


def main():
    allowed, guarded = read_layers()
    faults = 0
    for path in sorted(SRC.rglob("*.[ch]")):
        folder = str(path.parent.relative_to(SRC))
        if folder not in allowed:
            sys.exit(f"{path.relative_to(SRC.parent)}: folder '{folder}' is not in src/LAYERS")
        for number, line in enumerate(path.read_text().splitlines(), 1):
            found = re.match(r'\s*#\s*include\s*([<"])([^>"]+)[>"]', line)
            why = found and fault(folder, found[2], found[1] == "<", allowed, guarded)
            if why:
                print(f"{path.relative_to(SRC.parent)}:{number}: {why}")
                faults += 1
    sys.exit(1 if faults else 0)


main()
