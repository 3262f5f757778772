"""A verification service and simulated platforms, for the tests that talk to them."""
import base64
import hashlib
import http.client
import json
import os
import pathlib
import shutil
import signal
import ssl
import subprocess
import tempfile

from ports import free_port

JSON = {"Content-Type": "application/json", "Accept": "application/json"}
MRENCLAVE = "ab" * 32


def b64(data):
    return base64.b64encode(data).decode()


def report_data(nonce, held, tdx=False):
    bound = (base64.b64decode(nonce["val"]) + base64.b64decode(nonce["iat"]) if nonce else b"") + held
    if tdx:
        return hashlib.sha512(bound).hexdigest()
    return hashlib.sha256(bound).hexdigest() + "00" * 32


class Stage:
    """The programs under test and a directory that goes away."""

    def __init__(self, programs):
        self.programs = pathlib.Path(programs).resolve()
        self.dir = pathlib.Path(tempfile.mkdtemp(prefix="vouch-verifyd-test-"))
        os.environ["XDG_CACHE_HOME"] = str(self.dir / "cache")  # not the user's
        self.tdx = set()
        self.services = []

    def close(self):
        for service in self.services:
            if service.process.poll() is None:
                service.stop()
        shutil.rmtree(self.dir, ignore_errors=True)

    def program(self, name, *words):
        return subprocess.run([self.programs / name, *map(str, words)], capture_output=True,
                              text=True, timeout=60)

    def must(self, name, *words):
        done = self.program(name, *words)
        assert done.returncode == 0, f"{name} {words}: {done.stderr}"
        return done.stdout

    def platform(self, name, *more):
        self.must("vouch-sim", "platform", "create", self.dir / name, *more)
        if "tdx" in more:
            self.tdx.add(self.dir / name)
        return self.dir / name

    def quote(self, platform, data, *more):
        measured = () if platform in self.tdx else ("--mrenclave", MRENCLAVE)
        return self.must("vouch-sim", "quote", "--platform", platform, "--report-data", data,
                         *measured, *more).strip()

    def root_digest(self, platform):
        pem = (platform / "root.pem").read_text()
        return hashlib.sha256(ssl.PEM_cert_to_DER_cert(pem)).hexdigest()

    def policy(self, name, platform, mrenclave=MRENCLAVE, more=""):
        path = self.dir / f"{name}.yaml"
        path.write_text(f"measurements: [{{mrenclave: \"{mrenclave}\"}}]\n"
                        f"roots: [\"{self.root_digest(platform)}\"]\n{more}")
        return path

    def service(self, name, platform, *more):
        service = Service(self, name, platform, *more)
        self.services.append(service)
        return service


class Service:
    """One vouch-verifyd with its own directory and port."""

    def __init__(self, stage, name, platform, *more):
        self.stage = stage
        self.port = free_port()
        self.made = json.loads(stage.must(
            "vouch-verifyd", "init", stage.dir / name, "--host", "127.0.0.1",
            "--listen", f"127.0.0.1:{self.port}", "--root", platform / "root.pem",
            "--collateral-dir", platform / "collateral", "--json", *more))
        self.key = pathlib.Path(self.made["api_key_file"]).read_text()
        self.tls = ssl.create_default_context(cafile=self.made["tls_ca"])
        self.log_file = stage.dir / f"log-{self.port}"
        self.start()

    def start(self):
        self.log = open(self.log_file, "a")
        self.process = subprocess.Popen(
            [self.stage.programs / "vouch-verifyd", "--config", self.made["config"], "--log-level",
             "info"], stdout=subprocess.PIPE, stderr=self.log, text=True)
        line = self.process.stdout.readline()
        assert line == f"listening {self.made['base_url']}\n", line + self.log_file.read_text()

    def stop(self, number=signal.SIGTERM):
        self.process.send_signal(number)
        status = self.process.wait(timeout=10)
        self.process.stdout.close()
        self.log.close()
        return status

    def call(self, method, path, body=None, key=True, headers=None):
        connection = http.client.HTTPSConnection("127.0.0.1", self.port, context=self.tls,
                                                 timeout=20)
        send = dict(headers or {})
        if key is not None:
            send["x-api-key"] = self.key if key is True else key
        try:
            connection.request(method, path, body=body, headers=send)
            answer = connection.getresponse()
            return answer, answer.read()
        finally:
            connection.close()

    def nonce(self, version=1):
        answer, body = self.call("GET", f"/appraisal/v{version}/nonce")
        assert answer.status == 200, body
        return json.loads(body)

    def attest(self, request, version=1, **more):
        answer, body = self.call("POST", f"/appraisal/v{version}/attest",
                                 json.dumps(request).encode(), headers=JSON, **more)
        return answer.status, json.loads(body)
