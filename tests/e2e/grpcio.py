#!/usr/bin/python3
"""Google's gRPC (python3-grpcio) against our server and our client. usage: grpcio.py GRPC_PEER"""
import concurrent.futures
import subprocess
import sys
import tempfile
import threading
import time

try:
    import grpc
except ImportError:
    print("1..0 # SKIP python3-grpcio is not installed")
    sys.exit(0)

PEER = sys.argv[1]
MIB = 1 << 20
OPTIONS = [("grpc.max_send_message_length", 1 << 30), ("grpc.max_receive_message_length", 1 << 30),
           ("grpc.max_metadata_size", 32 * MIB)]
results = []


def check(name, condition, note=""):
    results.append(bool(condition))
    print(f"{'ok' if condition else 'not ok'} {len(results)} - {name}")
    if not condition:
        print(f"# {note}")


def read(folder, name):
    with open(f"{folder}/{name}", "rb") as file:
        return file.read()


def failure(function, *args, **kwargs):
    try:
        answer = function(*args, **kwargs)
    except grpc.RpcError as error:
        return error.code(), error.details()
    return "OK", answer


def unary(channel, name, request, timeout=20):
    return channel.unary_unary(f"/t.S/{name}")(request, timeout=timeout)


def stream(channel, name, chunks, timeout=60):
    return channel.stream_unary(f"/t.S/{name}")(iter(chunks), timeout=timeout)


def their_client(folder):
    """grpcio's client, our server."""
    server = subprocess.Popen([PEER, "serve", folder], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    target = f"localhost:{server.stdout.readline().split()[1]}"
    secured = grpc.ssl_channel_credentials(read(folder, "ca.pem"), read(folder, "client.key"),
                                           read(folder, "client.pem"))
    with grpc.secure_channel(target, secured, OPTIONS) as channel:
        check("a unary call is echoed", unary(channel, "Echo", b"hello") == b"hello")
        check("an empty message is echoed", unary(channel, "Echo", b"") == b"")
        large = bytes(range(256)) * (40 * 4096)
        check("40 MiB are echoed whole", unary(channel, "Echo", large) == large)
        answer = stream(channel, "Count", (b"x" * 2 * MIB for _ in range(25)))
        check("a stream of 50 MiB arrives", answer == str(50 * MIB).encode(), answer)
        answer = stream(channel, "Count", (b"x" for _ in range(1000)))
        check("a stream of 1000 messages of one byte arrives", answer == b"1000", answer)
        got = failure(stream, channel, "Count", [])
        check("an empty stream is not answered OK", got == (grpc.StatusCode.UNKNOWN, "empty stream"), got)
        got = failure(unary, channel, "Nothing", b"x")
        check("an unknown method is UNIMPLEMENTED", got[0] == grpc.StatusCode.UNIMPLEMENTED, got)
        got = failure(unary, channel, "Refuse", b"x")
        check("status and text arrive", got == (grpc.StatusCode.UNAUTHENTICATED, "100% no: café"), got)
        got = failure(unary, channel, "Never", b"x", timeout=0.3)
        check("a deadline is DEADLINE_EXCEEDED", got[0] == grpc.StatusCode.DEADLINE_EXCEEDED, got)
        pending = channel.unary_unary("/t.S/Never").future(b"x")
        time.sleep(0.2)
        pending.cancel()
        ended = b""
        for _ in range(100):
            ended = unary(channel, "Waits", b"")
            if ended == b"2":
                break
            time.sleep(0.05)
        check("the server learns of the deadline and of the cancellation", ended == b"2", ended)
        got = failure(stream, channel, "Early", (b"x" * MIB for _ in range(200)))
        check("an answer in the middle of an upload is seen",
              got == (grpc.StatusCode.FAILED_PRECONDITION, "enough"), got)
        got = failure(lambda: channel.unary_unary("/t.S/Echo")(b"x", compression=grpc.Compression.Gzip, timeout=20))
        check("a compressed message is UNIMPLEMENTED or sent plain",
              got[0] in ("OK", grpc.StatusCode.UNIMPLEMENTED), got)
        with concurrent.futures.ThreadPoolExecutor(32) as pool:
            same = list(pool.map(lambda i: unary(channel, "Echo", b"%d" % i) == b"%d" % i, range(2000)))
        check("2000 calls, 32 at a time, get their own answers", all(same))
        got = failure(lambda: channel.unary_unary("/t.S/Echo")(b"x", metadata=[("a", "b" * 100000)], timeout=20))
        check("metadata over the limit is refused", got[0] != "OK", got[0])
        check("and the connection goes on", unary(channel, "Echo", b"y") == b"y")
    for i in range(20):  # OpenFL up to 1.6 makes a connection for every call
        with grpc.secure_channel(target, secured, OPTIONS) as channel:
            if unary(channel, "Echo", b"z") != b"z":
                check("a new connection for every call", False)
    check("a new connection for every call", True)
    without = grpc.ssl_channel_credentials(read(folder, "ca.pem"))
    with grpc.secure_channel(target, without, OPTIONS) as channel:
        got = failure(unary, channel, "Echo", b"x")
        check("a client without certificate gets nothing", got[0] == grpc.StatusCode.UNAVAILABLE, got)
    with tempfile.TemporaryDirectory() as other:
        subprocess.run([PEER, "make", other], check=True)
        foreign = grpc.ssl_channel_credentials(read(folder, "ca.pem"), read(other, "client.key"),
                                               read(other, "client.pem"))
        with grpc.secure_channel(target, foreign, OPTIONS) as channel:
            got = failure(unary, channel, "Echo", b"x")
            check("a client of another CA gets nothing", got[0] == grpc.StatusCode.UNAVAILABLE, got)
    server.stdin.close()
    check("our server ends well", server.wait(20) == 0)


class Handlers(grpc.GenericRpcHandler):
    def __init__(self):
        self.late = threading.Event()

    def service(self, details):
        unary_handlers = {"/t.S/Echo": lambda request, context: request,
                          "/t.S/Refuse": lambda request, context: context.abort(
                              grpc.StatusCode.UNAUTHENTICATED, "100% no: café"),
                          "/t.S/Slow": self.slow}
        if details.method == "/t.S/Count":
            return grpc.stream_unary_rpc_method_handler(
                lambda chunks, context: str(sum(len(c) for c in chunks)).encode())
        if details.method in unary_handlers:
            return grpc.unary_unary_rpc_method_handler(unary_handlers[details.method])
        return None

    def slow(self, request, context):
        self.late.wait(20)
        return request


def their_server(folder):
    """grpcio's server, our client."""
    handlers = Handlers()
    server = grpc.server(concurrent.futures.ThreadPoolExecutor(4), options=OPTIONS, handlers=[handlers])
    secured = grpc.ssl_server_credentials([(read(folder, "server.key"), read(folder, "server.pem"))],
                                          read(folder, "ca.pem"), require_client_auth=True)
    port = server.add_secure_port("127.0.0.1:0", secured)
    server.start()
    run = subprocess.run([PEER, "call", folder, str(port)], capture_output=True, text=True, timeout=60)
    handlers.late.set()
    got = run.stdout.splitlines()
    wanted = ["/t.S/Echo OK '' 5 bytes: hello",
              "/t.S/Echo OK '' 0 bytes: ",
              "/t.S/Echo OK '' 2097152 bytes: ",
              "/t.S/Refuse UNAUTHENTICATED '100% no: café' 0 bytes: ",
              "/t.S/Unknown UNIMPLEMENTED 'Method not found!' 0 bytes: ",
              "/t.S/Count OK '' 8 bytes: 52428800",
              "/t.S/Slow",
              "/t.S/Echo OK '' 10 bytes: still here"]
    for index, line in enumerate(wanted):
        mine = got[index] if index < len(got) else "nothing"
        # our own timer and the server's may each be the first
        fine = mine in ("/t.S/Slow failed timeout", mine) and ("timeout" in mine or "DEADLINE" in mine) \
            if line == "/t.S/Slow" else mine == line
        check(f"our client, their server: {line}", fine, f"{mine} {run.stderr}")
    with tempfile.TemporaryDirectory() as other:
        subprocess.run([PEER, "make", other], check=True)
        run = subprocess.run([PEER, "call", other, str(port)], capture_output=True, text=True, timeout=60)
        check("our client refuses a server of another CA", run.returncode == 3 and "certificate" in run.stderr,
              run.stderr)
    server.stop(None)


with tempfile.TemporaryDirectory() as work:
    subprocess.run([PEER, "make", work], check=True)
    their_client(work)
    their_server(work)
print(f"1..{len(results)}")
sys.exit(0 if all(results) else 1)
