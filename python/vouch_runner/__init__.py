"""Write a task runner for `vouch collaborator start`: a class with your training, and one call.

    import numpy
    from vouch_runner import TaskRunner, serve

    class Mean(TaskRunner):
        def initial_model(self):                    # name -> array; the same at every site
            return {"mean": numpy.zeros(3)}

        def load(self, path):                       # this site's line of data.yaml
            self.rows = numpy.loadtxt(path, delimiter=",")
            return {"train": len(self.rows), "validate": len(self.rows)}

        def train(self, model, round):              # the task's function and kwargs in the plan
            return {"mean": self.rows.mean(axis=0)}, {"loss": 0.0}

        def validate(self, model, round):
            return {"error": abs(self.rows.mean(axis=0) - model["mean"]).max()}

    serve(Mean)

A task's method is the plan's `function` (`train` also serves `train_task` and `train_batches`, `validate`
also `validate_task`, as OpenFL's plans call them). It is given the model as a dict of float32 arrays, the
round, and the task's kwargs; it returns metrics, or (model, metrics) if it trained. An exception
fails the task with its text, and nothing else. `self.settings` and `self.data_settings` are the
plan's. With `save_native` a model is saved in its framework's own form. Print as you like: output becomes log lines of the collaborator.

The channel is described in docs/task-runners.md; this module is all of it for Python.
"""
import json
import os
import sys
import traceback

import numpy

VERSION = 1
__all__ = ["TaskRunner", "serve"]


class TaskRunner:
    """What a task runner begins with; see the module's text for what to add."""

    settings = {}
    data_settings = {}
    name = None  #: of the collaborator; None while only the initial model is made
    path = None  #: this site's line of data.yaml; None then
    template = data_template = ""  #: the plan's task_runner.template and data_loader.template
    #: the plan's: what becomes of the optimiser's state, RESET, CONTINUE_LOCAL or CONTINUE_GLOBAL; for the last it is
    #: part of the model, in tensors "__opt_..." (vouch_runner.pytorch has them)
    opt_treatment = "RESET"
    functions = ()  #: of the plan's tasks
    _progress = None

    def initial_model(self):
        raise NotImplementedError("initial_model: return a dict of arrays")

    def load(self, path):
        raise NotImplementedError("load: read the data, return {'train': samples, 'validate': samples}")

    def task(self, function, model, round, kwargs):
        """Run the plan's function; its method here, unless a subclass knows better."""
        method = getattr(self, function, None) or getattr(self, _ALIASES.get(function, function), None)
        if function.startswith("_") or function in _RESERVED or not callable(method):
            raise AttributeError(f"the task runner has no function '{function}'")
        return method(model, round, **{k: v for k, v in kwargs.items() if k not in ("apply", "metrics")})

    def save_native(self, model, path):
        """Write a model to `path` in the framework's own form: what `vouch model save` then gives, in place of an .npz."""
        raise NotImplementedError("save_native")

    def can_save(self):
        """Is there a form of its own?"""
        return type(self).save_native is not TaskRunner.save_native

    def progress(self, text):
        """Tell the operator how a long task goes: a line in the collaborator's log."""
        if self._progress is not None:
            self._progress(str(text))


#: methods that are no tasks
_RESERVED = frozenset(dir(TaskRunner))
#: names of OpenFL's plans, for runners that do not have them
_ALIASES = {"train_task": "train", "train_batches": "train", "validate_task": "validate"}


class _Channel:
    """Messages over two descriptors; standard output is everybody's, so it becomes standard error."""

    def __init__(self):
        self._in = os.fdopen(os.dup(0), "rb")
        self._out = os.fdopen(os.dup(1), "wb")
        null = os.open(os.devnull, os.O_RDONLY)
        os.dup2(null, 0)
        os.close(null)
        os.dup2(2, 1)
        sys.stdout = os.fdopen(os.dup(1), "w", buffering=1, errors="replace")

    def receive(self):
        line = self._in.readline()
        return json.loads(line) if line else None

    def receive_values(self, size):
        values = bytearray(size)
        if self._in.readinto(values) != size:
            raise EOFError("the collaborator closed the channel inside a model")
        return values

    def send(self, message, *payload):
        self._out.write(json.dumps(message, allow_nan=False).encode() + b"\n")
        for values in payload:
            self._out.write(memoryview(values).cast("B"))
        self._out.flush()


class _Model:
    """Names and shapes, which never change, between arrays and bytes."""

    def __init__(self, arrays):
        if not arrays:
            raise ValueError("initial_model: a model has at least one tensor")
        self.shapes = {str(name): numpy.shape(values) for name, values in arrays.items()}
        self.size = 4 * sum(int(numpy.prod(shape)) for shape in self.shapes.values())

    def tensors(self):
        return [{"name": n, "dtype": "float32", "shape": list(s)} for n, s in self.shapes.items()]

    def unpack(self, values):
        arrays, at = {}, 0
        for name, shape in self.shapes.items():
            count = int(numpy.prod(shape))
            arrays[name] = numpy.frombuffer(values, "<f4", count, at).reshape(shape)
            at += 4 * count
        return arrays

    def pack(self, arrays):
        if set(arrays) != set(self.shapes):
            odd = sorted(set(arrays) ^ set(self.shapes))
            raise ValueError(f"the model's tensors are not those of initial_model: {', '.join(odd)}")
        out = []
        for name, shape in self.shapes.items():
            if numpy.shape(arrays[name]) != shape:
                raise ValueError(f"tensor {name} has shape {numpy.shape(arrays[name])}; "
                                 f"initial_model gave it {shape}")
            # reshape: ascontiguousarray makes an array of one dimension of a scalar
            values = numpy.ascontiguousarray(arrays[name], "<f4").reshape(-1)
            if not numpy.isfinite(values).all():
                raise ValueError(f"tensor {name} is not finite")
            out.append(values)
        return [values for values in out if values.size]


def _reason(error):
    """One line for the log; the whole story goes to standard error."""
    traceback.print_exc()
    return f"{type(error).__name__}: {error}"[:2000]


def _split(answer):
    """A method's answer as (arrays or None, metrics)."""
    arrays, metrics = answer if isinstance(answer, tuple) else (None, answer)
    return arrays, {str(name): float(value) for name, value in (metrics or {}).items()}


def _save(channel, runner, model, message):
    values = model.unpack(channel.receive_values(message["bytes"]))
    try:
        runner.save_native(values, message["path"])
    except Exception as error:
        channel.send({"type": "error", "id": message["id"], "message": _reason(error)})
    else:
        channel.send({"type": "saved", "id": message["id"]})


def _run(channel, runner, model, message):
    values = model.unpack(channel.receive_values(message["bytes"]))
    try:
        arrays, metrics = _split(runner.task(message["function"], values, message["round"], message["kwargs"] or {}))
        packed = model.pack(arrays) if arrays is not None else []
        answer = {"type": "result", "id": message["id"], "metrics": metrics, "trained": arrays is not None,
                  "bytes": model.size if arrays is not None else 0}
        text = json.dumps(answer, allow_nan=False)  # a metric that is no number fails here
    except Exception as error:  # the task has failed, not the runner
        channel.send({"type": "error", "id": message["id"], "message": _reason(error)})
    else:
        channel.send(json.loads(text), *packed)


def _start(make, message):
    runner = make()
    runner.settings = message["settings"] or {}
    runner.data_settings = message["data_settings"] or {}
    runner.name, runner.path = message["name"], message["data"]
    runner.template, runner.data_template = message["template"], message["data_template"]
    runner.opt_treatment = message.get("opt_treatment", "RESET")
    runner.functions = tuple(task["function"] for task in message.get("tasks", ()))
    arrays = runner.initial_model()
    model = _Model(arrays)
    samples = {"train": 0, "validate": 0}
    if message["data"] is not None:
        loaded = runner.load(message["data"]) or {}
        samples = {key: int(loaded.get(key, 0)) for key in samples}
    ready = {"type": "ready", "version": VERSION, "samples": samples, "tensors": model.tensors(),
             "bytes": model.size}
    if message.get("save"):
        ready["saves"] = bool(runner.can_save())
    return runner, model, ready, model.pack(arrays)


def serve(make):
    """Serve the collaborator until it closes the channel. `make` is a TaskRunner class."""
    channel = _Channel()
    message = channel.receive()
    if message is None:
        return
    if message.get("type") != "start" or message.get("version") != VERSION:
        channel.send({"type": "error", "message": f"this runner speaks version {VERSION} of the channel"})
        return
    try:
        runner, model, ready, packed = _start(make, message)
    except Exception as error:
        channel.send({"type": "error", "message": _reason(error)})
        return
    channel.send(ready, *packed)
    while True:
        message = channel.receive()
        if message is None:
            return
        runner._progress = lambda text, id=message["id"]: channel.send({"type": "progress", "id": id, "message": text})
        (_save if message["type"] == "save" else _run)(channel, runner, model, message)
