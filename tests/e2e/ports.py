"""Ports for the servers of tests that run side by side."""
import pathlib
import random
import socket

RANGE = pathlib.Path("/proc/sys/net/ipv4/ip_local_port_range")
CLAIMS = []  # open as long as this test runs


def candidates():
    """Those that the kernel gives to no client: one that it does may be taken before our server comes to it."""
    low, high = map(int, RANGE.read_text().split())
    return [port for port in range(10000, 65536) if not low <= port <= high]


def free_port():
    """A port that nobody listens on, and that no other test gets while this one runs."""
    ports = candidates()
    random.shuffle(ports)
    for port in ports:
        claim = socket.socket(socket.AF_UNIX)
        try:
            claim.bind(f"\0vouch-test-port-{port}")
            with socket.socket() as probe:
                probe.bind(("127.0.0.1", port))
        except OSError:
            claim.close()
            continue
        CLAIMS.append(claim)
        return port
    raise AssertionError("no free port")
