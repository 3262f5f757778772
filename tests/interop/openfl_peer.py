"""What the tests with the real OpenFL share: its releases, their environments, plans, workspaces, runs."""
import contextlib
import fcntl
import functools
import os
import pathlib
import re
import shutil
import socket
import subprocess
import sys
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "e2e"))
import tap  # noqa: E402
from federation import DIGITS, Process, Site  # noqa: E402
from ports import free_port  # noqa: E402

# What the releases' own lists name, less what only their notebooks and images use; all of it runs on
# Python 3.11. Each release's pins that differ stand with the release.
COMMON = ("pyyaml", "rich", "tqdm", "numpy<2.3", "requests", "cloudpickle", "cryptography", "pandas",
          "scikit-learn", "flatten_json", "tensorboardX", "protobuf>=4.22,<5", "grpcio>=1.56.2,<1.66",
          "psutil", "Flask==3.1.1", "click", "dynaconf", "docker")
PINS = {"1.5.1": ("Click==8.0.1", "dynaconf==3.1.7"), "1.6": ("Click==8.1.7", "dynaconf==3.2.6")}
RELEASES = ("1.5.1", "1.6", "1.7.1", "1.8", "1.9")
NAMES = ("col1", "col2")
DEBIANS_TORCH = pathlib.Path("/usr/lib/python3/dist-packages/torch")
LOG = ("--log-format", "json", "--log-level", "info")


def python_versions(release):
    return ((3, 8), (3, 12)) if number(release) < (1, 7) else ((3, 10), (3, 13))


def number(release):
    return tuple(int(n) for n in release.split(".")[:2])


def find_python(least, below):
    """A Python in that range that can make virtual environments, as (program, (major, minor)); or None."""
    home = pathlib.Path.home()
    known = [sys.executable, *(f"python3.{n}" for n in range(below[1] - 1, least[1] - 1, -1)), "python3",
             *sorted(map(str, home.glob(".pyenv/versions/*/bin/python3")), reverse=True)]
    for program in known:
        found = shutil.which(program)
        if found is None:
            continue
        ask = "import sys, venv, ensurepip; print(*sys.version_info[:2])"
        asked = subprocess.run([found, "-c", ask], text=True, capture_output=True, timeout=60)
        if asked.returncode == 0:
            version = tuple(int(n) for n in asked.stdout.split())
            if least <= version < below:
                return found, version
    return None


def _pip(python, *words):
    subprocess.run([python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *words], check=True)


def _made(directory, make):
    if not (directory / "complete").exists():
        shutil.rmtree(directory, ignore_errors=True)
        make()
        (directory / "complete").touch()


@contextlib.contextmanager
def _alone_below(build):
    """Tests run side by side: one at a time installs, in the directory that is given."""
    parent = pathlib.Path(build).resolve() / "interop"
    parent.mkdir(parents=True, exist_ok=True)
    with open(parent / "lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield parent


def environment(build, release):
    """The bin directory of a virtual environment with that release, as pip installs it; made once. What the
    releases need alike lies in one environment that theirs look into."""
    least, below = python_versions(release)
    found = find_python(least, below)
    if found is None:
        raise tap.Skip(f"OpenFL {release} wants a Python from {least[0]}.{least[1]} to before {below[0]}.{below[1]} "
                       "with venv, and there is none here")
    python, version = found
    with _alone_below(build) as parent:
        shared = parent / f"openfl-shared-{version[0]}.{version[1]}"
        own = parent / f"openfl-{release}-{version[0]}.{version[1]}"

        def make_shared():
            subprocess.run([python, "-m", "venv", shared], check=True)
            _pip(shared / "bin/python", *COMMON)

        def make_own():
            subprocess.run([python, "-m", "venv", own], check=True)
            _pip(own / "bin/python", "--no-deps", f"openfl=={release}", *PINS.get(release, ()))
            packages = f"lib/python{version[0]}.{version[1]}/site-packages"
            (own / packages / "shared.pth").write_text(f"{shared / packages}\n")

        _made(shared, make_shared)
        _made(own, make_own)
    return own / "bin"


@functools.lru_cache
def with_torch(build, python):
    """What `python` needs in its environment to import torch: Debian's, which is for processors alone (the package
    index has CUDA's only, of gigabytes) and for Debian's version of Python and a numpy before 2."""
    if not DEBIANS_TORCH.exists():
        raise tap.Skip("PyTorch is not here: tools/bootstrap interop installs Debian's python3-torch")
    with _alone_below(build) as parent:
        torch = parent / "torch"

        def make():
            _pip(python, "--target", torch, "numpy<2", "pandas<3", "typing_extensions")
            (torch / "torch").symlink_to(DEBIANS_TORCH)

        _made(torch, make)
    said = {"PYTHONPATH": str(torch)}
    tried = subprocess.run([python, "-c", "import torch; torch.zeros(1).numpy()"], text=True, capture_output=True,
                           env=dict(os.environ, **said), timeout=120)
    if tried.returncode != 0:
        raise tap.Skip(f"Debian's PyTorch does not work in {python}: {tried.stderr.strip().splitlines()[-1]}")
    return said


# Pieces of a plan as users of each release write it: over the release's own default files.
NETWORK_OLD = "tls: true, disable_client_auth: false"
NETWORK_NEW = "use_tls: true, require_client_auth: true"
STRAGGLERS_OLD = ("openfl.component.straggler_handling_functions.CutoffTimeBasedStragglerHandling",
                  "{straggler_cutoff_time: .inf, minimum_reporting: 1}")
STRAGGLERS_NEW = ("openfl.component.WaitForAllPolicy", "{}")
PYTHON = ("src.digits.DigitsDataLoader", "{}", "src.digits.DigitsTaskRunner", "{}")
TORCH = ("src.torch_digits.TorchDigitsDataLoader", "{}", "src.torch_digits.TorchDigitsTaskRunner")
VOUCH = ("vouch.CsvDataLoader", "{features: 64, classes: 10, feature_scale: 0.0625, validation_every: 5}",
         "vouch.MlpTaskRunner", "{hidden: [], learning_rate: 0.2, batch_size: 16, epochs: 1, seed: 1}")


ASSIGNER = "  defaults: plan/defaults/assigner.yaml"
STATIC = """  template: openfl.component.StaticGroupedAssigner
  settings:
    task_groups:
    - {{name: all, collaborators: [{names}], tasks: [aggregated_model_validation, train, locally_tuned_model_validation]}}"""


def plan_text(release, port, rounds=3, delta=False, runner=PYTHON, pipeline="NoCompressionPipeline", settings="{}",
              atomic=False, group=None, common_name=None, treatment="RESET", functions=("validate", "train_batches"),
              stragglers=None):
    old, before_18 = number(release) < (1, 7), number(release) < (1, 8)
    policy, policy_settings = stragglers or (STRAGGLERS_OLD if before_18 else STRAGGLERS_NEW)
    word = str(delta).lower()
    aggregator = "" if old else f"    use_delta_updates: {word}\n"
    collaborator = f"{'delta_updates' if before_18 else 'use_delta_updates'}: {word}"
    network = NETWORK_OLD if old else NETWORK_NEW
    if not before_18:
        network += f", enable_atomic_connections: {str(atomic).lower()}"
    if common_name is not None:  # OpenFL's two sides read it in two places
        aggregator += f"    single_col_cert_common_name: {common_name}\n"
        network += f", single_col_cert_common_name: {common_name}"
    loader, loader_settings, task_runner, task_runner_settings = runner
    return f"""aggregator:
  defaults: plan/defaults/aggregator.yaml
  template: openfl.component.Aggregator
  settings:
    init_state_path: save/init.pbuf
    best_state_path: save/best.pbuf
    last_state_path: save/last.pbuf
    rounds_to_train: {rounds}
    write_logs: false
{aggregator}assigner:
{ASSIGNER if group is None else STATIC.format(names=", ".join(group))}
collaborator:
  defaults: plan/defaults/collaborator.yaml
  settings: {{opt_treatment: {treatment}, {collaborator}}}
compression_pipeline:
  template: openfl.pipelines.{pipeline}
  settings: {settings}
data_loader:
  defaults: plan/defaults/data_loader.yaml
  template: {loader}
  settings: {loader_settings}
network:
  defaults: plan/defaults/network.yaml
  settings: {{agg_addr: localhost, agg_port: {port}, client_reconnect_interval: 1, {network}}}
straggler_handling_policy:
  template: {policy}
  settings: {policy_settings}
task_runner:
  defaults: plan/defaults/task_runner.yaml
  template: {task_runner}
  settings: {task_runner_settings}
tasks:
  aggregated_model_validation:
    function: {functions[0]}
    kwargs: {{apply: global, metrics: [accuracy]}}
  locally_tuned_model_validation:
    function: {functions[0]}
    kwargs: {{apply: local, metrics: [accuracy]}}
  train:
    function: {functions[1]}
    kwargs: {{metrics: [loss]}}
"""


def lay_out(site):
    """What a person has in a workspace before its first command: code, data, empty lists."""
    shutil.copytree(HERE / "openfl/src", site / "src")
    shutil.copy(DIGITS, site / "data/optdigits.csv")
    (site / "local_state").mkdir(exist_ok=True)
    (site / "plan/cols.yaml").write_text("collaborators: []\n")
    (site / "plan/data.yaml").touch()
    (site / "requirements.txt").touch()
    (site / ".workspace").write_text("current_plan_name: default\n")


def data_lines(names=NAMES):
    return "".join(f"{n},data/optdigits.csv#{i}/{len(names)}\n" for i, n in enumerate(names))


def copy_of(site, directory, **plan):
    """The same workspace elsewhere, at another port and with what `plan` changes; without what runs left."""
    shutil.copytree(site.directory, directory, ignore=shutil.ignore_patterns("best.pbuf", "last.pbuf", "final.pbuf",
                                                                             "tensor.db", "spool", "logs"))
    other = Site(directory, site.programs)
    other.port = free_port()
    (other / "plan/plan.yaml").write_text(plan_text(port=other.port, **plan))
    return other


def give_rounds(site, rounds):
    """The one line that a federation changes to train on."""
    plan = site / "plan/plan.yaml"
    text, count = re.subn(r"rounds_to_train: \d+", f"rounds_to_train: {rounds}", plan.read_text())
    assert count == 1, plan
    plan.write_text(text)


def start(runs, environment=None):
    """(words, site, log) of each becomes a process; the first is the aggregator."""
    return [Process(words, site.directory, log, environment) for words, site, log in runs]


def see_to_the_end(running, seconds=600):
    """All of them end well, or the first that does not is shown, with the aggregator's last words."""
    until = time.monotonic() + seconds
    waiting = list(running)
    while waiting:
        for process in list(waiting):
            status = process.child.poll()
            if status is not None:
                assert status == 0, f"{process.log.name} ended with {status}:\n{process.tail()}\n" \
                                    f"{running[0].log.name}:\n{running[0].tail()}"
                waiting.remove(process)
        assert time.monotonic() < until, "still running: " + "\n".join(f"{p.log.name}\n{p.tail()}" for p in waiting)
        time.sleep(0.1)


def until_it_listens(process, site, seconds=120):
    """A client until 1.7 that finds nobody may never connect again (docs/openfl.md)."""
    port = int(re.search(r"agg_port: (\d+)", (site / "plan/plan.yaml").read_text())[1])
    until = time.monotonic() + seconds
    while True:
        try:
            socket.create_connection(("localhost", port), 10).close()
            return
        except OSError:
            assert process.child.poll() is None and time.monotonic() < until, process.tail()
            time.sleep(0.05)


def play(aggregator, collaborators, seconds=600, environment=None):
    """One federation to its end, each as in start(). Returns the aggregator's process."""
    with contextlib.ExitStack() as stack:
        running = [stack.enter_context(start([aggregator], environment)[0])]
        until_it_listens(running[0], aggregator[1])
        running += [stack.enter_context(one) for one in start(collaborators, environment)]
        see_to_the_end(running, seconds)
    return running[0]


def models_equal(python, ours, theirs, wanted_round):
    """Both are read by the real OpenFL; not one bit may differ."""
    code = ("import sys\n"
            "from openfl.protocols import utils\n"
            "from openfl.pipelines import NoCompressionPipeline\n"
            "models = [utils.deconstruct_model_proto(utils.load_proto(p), NoCompressionPipeline()) for p in sys.argv[2:]]\n"
            "(ours, our_round), (real, real_round) = models\n"
            "assert our_round == real_round == int(sys.argv[1]), (our_round, real_round)\n"
            "assert sorted(ours) == sorted(real) == ['layer0.bias', 'layer0.weight'], sorted(ours)\n"
            "assert abs(real['layer0.weight']).max() > 0\n"
            "for name in ours:\n"
            "    assert ours[name].tobytes() == real[name].tobytes(), abs(ours[name] - real[name]).max()\n")
    done = subprocess.run([python, "-c", code, str(wanted_round), ours, theirs], text=True, capture_output=True,
                          timeout=120)
    assert done.returncode == 0, done.stderr


def model_is_of_round(python, path, wanted):
    code = ("import sys\nfrom openfl.protocols import utils\nfrom openfl.pipelines import NoCompressionPipeline\n"
            "print(utils.deconstruct_model_proto(utils.load_proto(sys.argv[1]), NoCompressionPipeline())[1])\n")
    done = subprocess.run([python, "-c", code, path], text=True, capture_output=True, timeout=120)
    assert done.returncode == 0 and done.stdout.split()[-1] == str(wanted), (done.stdout, done.stderr)


def table(title, *cells):
    """A line of a table that the run prints at its end; see tools/run_tests.py."""
    print(f"# row {title} | " + " | ".join(cells), flush=True)


def row(*cells):
    table("Releases of OpenFL: who with whom, attested or not, pipeline, how close the models came", *cells)
