"""What tests of whole federations share: sites made by the commands a user would type, processes, real peers."""
import contextlib
import hashlib
import json
import os
import pathlib
import secrets
import shutil
import subprocess
import time

CHECKOUT = pathlib.Path(__file__).resolve().parent.parent.parent
DIGITS = CHECKOUT / "examples/data/optdigits.csv"


class Site:
    """A participant's directory, and commands run in it."""

    def __init__(self, directory, programs):
        self.directory, self.programs = pathlib.Path(directory), pathlib.Path(programs)
        for name in ("plan", "cert", "data", "save", "logs"):
            (self.directory / name).mkdir(parents=True, exist_ok=True)

    def __truediv__(self, name):
        return self.directory / name

    def run(self, program, *words, environment=None):
        done = subprocess.run([self.programs / program, *map(str, words)], cwd=self.directory, text=True,
                              capture_output=True, timeout=120, env=dict(os.environ, **(environment or {})))
        assert done.returncode == 0, f"{program} {' '.join(map(str, words))}: exit {done.returncode}\n" \
                                     f"{done.stdout}{done.stderr}"
        return done.stdout

    def ask(self, program, *words):
        return json.loads(self.run(program, *words, "--json"))


class Process:
    """A process with its output in a file; stopped when the block ends."""

    def __init__(self, argv, directory, log, environment=None):
        self.log = pathlib.Path(log)
        self.file = open(log, "w")
        self.child = subprocess.Popen([str(a) for a in argv], cwd=directory, stdin=subprocess.DEVNULL,
                                      stdout=self.file, stderr=subprocess.STDOUT, start_new_session=True,
                                      env=dict(os.environ, **(environment or {})))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.child.pid, 15)
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.child.wait(5)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.child.pid, 9)
        self.child.wait()
        self.file.close()

    def events(self, name):
        """The JSON log lines of that event, so far."""
        lines = self.log.read_text(errors="replace").splitlines(keepends=True)
        found = [json.loads(line) for line in lines if line.startswith("{") and line.endswith("\n")]
        return [one for one in found if one.get("event") == name]

    def event(self, name, /, seconds=30, **members):
        """The first of them that has these members; waited for."""
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            ended = self.child.poll() is not None
            for one in self.events(name):
                if all(one.get(k) == v for k, v in members.items()):
                    return one
            if ended:
                break
            time.sleep(0.05)
        raise AssertionError(f"no event {name} {members or ''}; the log ends:\n" + self.tail())

    def wait(self, seconds):
        try:
            return self.child.wait(seconds)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"still running after {seconds} s; the log ends:\n" + self.tail()) from None

    def tail(self):
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-25:])


def certificate_digest(path):
    der = subprocess.run(["openssl", "x509", "-in", path, "-outform", "DER"], check=True,
                         capture_output=True).stdout
    return hashlib.sha256(der).hexdigest()


def spki_digest(path):
    """What attestation.yaml pins as `enrolment`."""
    public = subprocess.run(["openssl", "x509", "-in", path, "-pubkey", "-noout"], check=True,
                            capture_output=True).stdout
    der = subprocess.run(["openssl", "pkey", "-pubin", "-outform", "DER"], input=public, check=True,
                         capture_output=True).stdout
    return hashlib.sha256(der).hexdigest()


def attestation_yaml(federation, local):
    """The text of attestation.yaml; JSON is YAML, and its quotes settle every question of type but a moment's."""
    lines = ["version: 1", "federation:"]
    lines += [f"  {k}: {v if k == 'from' else json.dumps(v)}" for k, v in federation.items()]
    lines += ["local:"] + [f"  {k}: {json.dumps(v)}" for k, v in local.items()]
    return "\n".join(lines) + "\n"


def new_federation_id():
    return secrets.token_hex(16)


AGGREGATOR = "localhost"  # the name of it in every scene of an attested federation


def certificate_of(name):
    """Of a participant's PKI certificate and key, below cert/ and without the ending."""
    return "server/agg_localhost" if name == AGGREGATOR else f"client/col_{name}"


def make_sites(stage, programs, names, rounds, port):
    """A site for the aggregator and each collaborator: plan, certificates, a share of the data, the initial model."""
    desk = Site(stage / "desk", programs)
    desk.run("vouch", "workspace", "create", "--prefix", stage / "template")
    plan = (stage / "template/plan/plan.yaml").read_text()
    for old, new in {"agg_addr: auto": "agg_addr: localhost", "agg_port: auto": f"agg_port: {port}",
                     "rounds_to_train: 10": f"rounds_to_train: {rounds}"}.items():
        assert old in plan, old
        plan = plan.replace(old, new)
    agg = Site(stage / "aggregator", programs)
    (agg / "plan/plan.yaml").write_text(plan)
    agg.run("vouch", "workspace", "certify")
    agg.run("vouch", "aggregator", "generate-cert-request", "--fqdn", "localhost")
    agg.run("vouch", "aggregator", "certify", "--fqdn", "localhost", "-s")
    sites = {AGGREGATOR: agg}
    for i, name in enumerate(names):
        site = sites[name] = Site(stage / name, programs)
        site.run("vouch", "collaborator", "generate-cert-request", "-n", name, "-s")
        agg.run("vouch", "collaborator", "certify", "-r", site / f"col_{name}_to_agg_cert_request.zip", "-s")
        site.run("vouch", "collaborator", "certify", "-i", agg / f"agg_to_col_{name}_signed_cert.zip")
        (site / "plan/plan.yaml").write_text(plan)
        shutil.copy(DIGITS, site / "data/optdigits.csv")
        (site / "plan/data.yaml").write_text(f"{name},data/optdigits.csv#{i}/{len(names)}\n")
    agg.run("vouch", "plan", "initialize")
    return sites


def changed(text, changes):
    """The text with each of them made, which must be there once."""
    for old, new in changes.items():
        assert text.count(old) == 1, old
        text = text.replace(old, new)
    return text


def make_sites_of_template(template, stage, programs, names, rounds, port, environment):
    """The same, of a workspace of that template, which is made once and travels to all as a package."""
    desk = Site(stage, programs)
    desk.run("vouch", "workspace", "create", "--prefix", "aggregator", "--template", template)
    agg = Site(stage / "aggregator", programs)
    plan = agg / "plan/plan.yaml"
    plan.write_text(changed(plan.read_text(), {"agg_addr: auto, agg_port: auto": f"agg_addr: localhost, agg_port: {port}",
                                               "rounds_to_train: 10": f"rounds_to_train: {rounds}"}))
    agg.run("vouch", "workspace", "certify")
    agg.run("vouch", "aggregator", "generate-cert-request", "--fqdn", "localhost")
    agg.run("vouch", "aggregator", "certify", "--fqdn", "localhost", "-s")
    agg.run("vouch", "plan", "initialize", environment=environment)
    agg.run("vouch", "workspace", "export", "--output", stage / "package.zip")
    sites = {AGGREGATOR: agg}
    for i, name in enumerate(names):
        (stage / f"{name}.zip").symlink_to("package.zip")
        desk.run("vouch", "workspace", "import", "--archive", f"{name}.zip")
        site = sites[name] = Site(stage / name, programs)
        site.run("vouch", "collaborator", "create", "-n", name, "-d", f"{DIGITS}#{i}/{len(names)}")
        site.run("vouch", "collaborator", "generate-cert-request", "-n", name, "-s")
        agg.run("vouch", "collaborator", "certify", "-r", site / f"col_{name}_to_agg_cert_request.zip", "-s")
        site.run("vouch", "collaborator", "certify", "-i", agg / f"agg_to_col_{name}_signed_cert.zip")
    return sites
