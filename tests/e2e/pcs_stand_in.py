"""A stand-in for Intel's PCS v4 and for a PCCS: a simulated platform's collateral over TLS, with faults."""
import http.server
import pathlib
import ssl
import subprocess
import threading
import urllib.parse

SIGNED = {"tcb": "TCB-Info-Issuer-Chain", "identity": "SGX-Enclave-Identity-Issuer-Chain"}


def make_tls(directory):
    """A certificate for 127.0.0.1 and its own root: (certificate, key)."""
    cert, key = pathlib.Path(directory) / "tls.pem", pathlib.Path(directory) / "tls.key"
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
                    "-nodes", "-subj", "/CN=stand-in", "-addext", "subjectAltName=IP:127.0.0.1",
                    "-days", "2", "-keyout", key, "-out", cert], check=True, capture_output=True)
    return cert, key


class StandIn:
    """`collateral` and `pck_chain.pem` of a platform directory; `fault(name, path)` may change an answer."""

    def __init__(self, platform, tls):
        self.platform = pathlib.Path(platform)
        self.seen = []       # (path, query) of each request, in order
        self.faults = {}     # last word of a path -> function(answer), which has its path, too
        self.others = {}     # beginning of a path -> another platform directory
        self.crl_form = "der"
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                outer.answer(self)

            def log_message(self, *_words):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*map(str, tls))
        self.server.socket = context.wrap_socket(self.server.socket, server_side=True)
        self.url = f"https://127.0.0.1:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.05},
                         daemon=True).start()

    def close(self):
        self.server.shutdown()
        self.server.server_close()

    def file(self, name, path=""):
        other = next((p for begin, p in self.others.items() if path.startswith(begin)), self.platform)
        return (pathlib.Path(other) / "collateral" / name).read_bytes()

    def issuers(self):
        """Intermediate and root of the PCK chain."""
        blocks = (self.platform / "pck_chain.pem").read_text().split("-----END CERTIFICATE-----\n")
        return "".join(b + "-----END CERTIFICATE-----\n" for b in blocks[1:3]).encode()

    def plain(self, word, path):
        """(body, headers) as the real service would answer; None: 404."""
        quoted = lambda pem: urllib.parse.quote(pem, safe="+")  # '+' stays, as Intel sends it
        if word == "tcb":
            return self.file("tcb_info.json", path), {SIGNED["tcb"]: quoted(self.file("tcb_info_issuer_chain.pem", path))}
        if word == "identity":
            return self.file("qe_identity.json", path), {
                SIGNED["identity"]: quoted(self.file("qe_identity_issuer_chain.pem", path))}
        if word == "pckcrl":
            return self.crl(self.file("pck_crl.der")), {"SGX-PCK-CRL-Issuer-Chain": quoted(self.issuers())}
        if word == "rootcacrl":
            return self.file("root_ca_crl.der").hex().encode(), {}
        return None

    def crl(self, der):
        if self.crl_form == "pem":
            return ssl.DER_cert_to_PEM_cert(der).replace("CERTIFICATE", "X509 CRL").encode()
        return der.hex().encode() if self.crl_form == "hex" else der

    def answer(self, request):
        url = urllib.parse.urlsplit(request.path)
        word = url.path.rsplit("/", 1)[1]
        self.seen.append((url.path, dict(urllib.parse.parse_qsl(url.query))))
        found = self.plain(word, url.path)
        reply = {"status": 200 if found else 404, "body": found[0] if found else b"",
                 "headers": dict(found[1]) if found else {}, "announce": None, "path": url.path}
        if word in self.faults:
            self.faults[word](reply)
        try:
            request.send_response(reply["status"])
            for name, value in reply["headers"].items():
                request.send_header(name, value)
            request.send_header("Content-Length", str(reply["announce"] or len(reply["body"])))
            request.end_headers()
            request.wfile.write(reply["body"])
        except OSError:
            pass  # the client had enough
