"""Private P-384 keys looked for in the memory of processes, as the host's operator may, and how they could be written."""
import base64
import pathlib
import re
import subprocess

P = 2**384 - 2**128 - 2**96 + 2**32 - 1
G = (0xaa87ca22be8b05378eb1c71ef320ad746e1d3b628ba79b9859f741e082542a385502f25dbf55296c3a545e3872760ab7,
     0x3617de4a96262c6f5d9e98bf9292dc29f8f41dbd289a147ce9da3113b5f0b8c00a60b1ce1d7e819d7a431d7c90ea0e5f)
N = 0xffffffffffffffffffffffffffffffffffffffffffffffffc7634d81f4372ddf581a0db248b0a77aecec196accc52973


def public_point(scalar):
    """scalar * G on P-384, in Jacobian coordinates."""
    def double(p):
        x, y, z = p
        a, b = y * y % P, 3 * (x - z * z) * (x + z * z) % P
        c = 4 * x * a % P
        u = (b * b - 2 * c) % P
        return u, (b * (c - u) - 8 * a * a) % P, 2 * y * z % P

    def add_g(p):
        x, y, z = p
        if z == 0:
            return G[0], G[1], 1
        zz = z * z % P
        h, r = (G[0] * zz - x) % P, (G[1] * zz * z - y) % P
        hh = h * h % P
        hhh, v = h * hh % P, x * hh % P
        u = (r * r - hhh - 2 * v) % P
        return u, (r * (v - u) - y * hhh) % P, z * h % P

    point = (1, 1, 0)
    for bit in bin(scalar)[2:]:
        point = double(point)
        if bit == "1":
            point = add_g(point)
    inverse = pow(point[2], -1, P)
    return point[0] * inverse * inverse % P, point[1] * inverse**3 % P


def regions(pid):
    """(start, end, flags) of every writable mapping."""
    found, at = [], None
    for line in pathlib.Path(f"/proc/{pid}/smaps").read_text().splitlines():
        head = re.match(r"([0-9a-f]+)-([0-9a-f]+) rw", line)
        if re.match(r"[0-9a-f]+-[0-9a-f]+ ", line):
            at = (int(head[1], 16), int(head[2], 16)) if head else None
        elif line.startswith("VmFlags:") and at:
            found.append((*at, line.split()[1:]))
    return found


def read_memory(pid):
    locked, open_ = [], []
    with open(f"/proc/{pid}/mem", "rb") as memory:
        for start, end, flags in regions(pid):
            if end - start > 256 << 20:
                continue  # a sanitizer's shadow
            try:
                memory.seek(start)
                (locked if "lo" in flags else open_).append((flags, memory.read(end - start)))
            except OSError:
                continue
    return locked, open_


def look(pid):
    """Memory, arguments, environment and limits of a process."""
    locked, open_ = read_memory(pid)
    proc = pathlib.Path(f"/proc/{pid}")
    return {"locked": locked, "open": open_, "environ": (proc / "environ").read_bytes(),
            "cmdline": (proc / "cmdline").read_bytes(), "limits": (proc / "limits").read_text()}


def spki_point(pem):
    der = subprocess.run(["openssl", "x509", "-pubkey", "-noout"], input=pem, text=True, check=True,
                         capture_output=True).stdout
    raw = base64.b64decode("".join(der.splitlines()[1:-1]))
    return int.from_bytes(raw[-96:-48], "big"), int.from_bytes(raw[-48:], "big")


def private_keys(look_, wanted):
    """The scalars in locked memory whose points are wanted."""
    found, seen = {}, set()
    for _, data in look_["locked"]:
        for at in range(0, len(data) - 47, 32):
            word = data[at:at + 48]
            if word[40:] == bytes(8) or word in seen:
                continue
            seen.add(word)
            scalar = int.from_bytes(word, "little")
            if 0 < scalar < N and len(set(word)) > 16:
                point = public_point(scalar)
                if point in wanted:
                    found[wanted[point]] = scalar
    return found


def needles(scalar):
    """How 48 bytes could be written down."""
    for raw in (scalar.to_bytes(48, "big"), scalar.to_bytes(48, "little")):
        yield raw
        yield raw.hex().encode()
        yield raw.hex().upper().encode()
        yield ":".join(f"{b:02x}" for b in raw).encode()
        for shift in range(3):  # base64, wherever in a longer text it begins
            text = base64.b64encode(bytes(shift) + raw)
            yield text[4 if shift else 0:-4]
            yield text[4 if shift else 0:-4].translate(bytes.maketrans(b"+/", b"-_"))
    yield str(scalar).encode()
