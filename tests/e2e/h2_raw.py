"""HTTP/2 frames by hand over mutual TLS: what a hostile peer can send and no client library would."""
import socket
import ssl
import struct
import time

DATA, HEADERS, PRIORITY, RST_STREAM, SETTINGS, PING, GOAWAY, WINDOW_UPDATE, CONTINUATION = 0, 1, 2, 3, 4, 6, 7, 8, 9
END_STREAM, ACK, END_HEADERS = 1, 1, 4
SERVICE = "/openfl.aggregator.Aggregator/"


def frame(kind, flags=0, stream=0, payload=b""):
    return struct.pack(">I", len(payload))[1:] + bytes((kind, flags)) + struct.pack(">I", stream) + payload


def text(value):
    """An HPACK string without Huffman coding."""
    value = value.encode() if isinstance(value, str) else value
    if len(value) < 127:
        return bytes((len(value),)) + value
    size, out = len(value) - 127, b"\x7f"
    while size >= 128:
        out += bytes((size % 128 + 128,))
        size //= 128
    return out + bytes((size,)) + value


def header(name, value):
    return b"\x00" + text(name) + text(value)


def request_headers(method, **more):
    fields = {":method": "POST", ":scheme": "https", ":path": SERVICE + method, ":authority": "localhost",
              "content-type": "application/grpc", "te": "trailers", **more}
    return b"".join(header(name, value) for name, value in fields.items())


def message(payload, compressed=0):
    return struct.pack(">BI", compressed, len(payload)) + payload


def field(number, value):
    """One protobuf field: an int as a varint, bytes or text with their length."""
    def varint(n):
        n &= (1 << 64) - 1
        out = b""
        while n > 127:
            out += bytes((n % 128 + 128,))
            n >>= 7
        return out + bytes((n,))
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    value = value.encode() if isinstance(value, str) else value
    return varint(number << 3 | 2) + varint(len(value)) + value


class Peer:
    """A connection past the gate of OpenFL's face: a genuine certificate, anything after it."""

    def __init__(self, port, site, name, settings=b""):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.load_verify_locations(site / "cert/cert_chain.crt")
        context.load_cert_chain(site / f"cert/client/col_{name}.crt", site / f"cert/client/col_{name}.key")
        context.set_alpn_protocols(["h2"])
        plain = socket.create_connection(("127.0.0.1", port), timeout=10)
        self.socket = context.wrap_socket(plain, server_hostname="localhost")
        self.next_stream = 1
        self.closed = False
        self.got = b""
        self.send(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + frame(SETTINGS, 0, 0, settings))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def send(self, data):
        """False once the other side has hung up."""
        try:
            self.socket.settimeout(10)
            self.socket.sendall(data)
        except (OSError, ssl.SSLError):
            self.closed = True
        return not self.closed

    def open(self, method, end=False, **more):
        stream, self.next_stream = self.next_stream, self.next_stream + 2
        self.send(frame(HEADERS, END_HEADERS | (END_STREAM if end else 0), stream, request_headers(method, **more)))
        return stream

    def call(self, method, payload, seconds=10):
        """A unary call; the bytes of what came back on its stream."""
        stream = self.open(method)
        self.send(frame(DATA, END_STREAM, stream, message(payload)))
        return self.answer(stream, seconds)

    def frames(self, seconds):
        """Frames as they come, until time is over or the connection is."""
        until = time.monotonic() + seconds
        while True:
            while len(self.got) >= 9:
                size = int.from_bytes(self.got[:3], "big")
                if len(self.got) < 9 + size:
                    break
                kind, flags, stream = self.got[3], self.got[4], int.from_bytes(self.got[5:9], "big") & 0x7FFFFFFF
                payload, self.got = self.got[9:9 + size], self.got[9 + size:]
                yield kind, flags, stream, payload
            left = until - time.monotonic()
            if left <= 0:
                return
            try:
                self.socket.settimeout(left)
                some = self.socket.recv(1 << 16)
            except (TimeoutError, ssl.SSLWantReadError):
                return
            except (OSError, ssl.SSLError):
                some = b""
            if not some:
                self.closed = True
                return
            self.got += some

    def answer(self, stream, seconds=10):
        out = b""
        for kind, flags, at, payload in self.frames(seconds):
            if kind == RST_STREAM and at == stream:
                return out + b"reset"
            if at == stream:
                out += payload
                if flags & END_STREAM and kind in (HEADERS, DATA):
                    return out
        return out

    def is_hung_up(self, seconds=10):
        for _ in self.frames(seconds):
            pass
        return self.closed
