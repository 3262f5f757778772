"""Run the task runner of an OpenFL plan, unchanged, under `vouch collaborator start`.

A plan that OpenFL made names Python classes in task_runner.template and data_loader.template. With OpenFL
installed in the interpreter, this site's plan/runner.yaml says how they are run, and the plan stays as it is:

    command: [venv/bin/python, -m, vouch_runner.openfl]
    environment: {PYTHONPATH: .}

What OpenFL's collaborator does with a task runner, this does: it asks for the tensors of a function, calls it, and
takes the trained tensors and the metrics from its answer. Tensors that are held out of the model stay at this site; so
do those of an optimizer, unless the plan says `opt_treatment: CONTINUE_GLOBAL`. They are sent, though never taken, where
OpenFL's own training sends them whatever the plan says.
"""
import importlib
import inspect
import pathlib

import numpy

from . import TaskRunner, serve

OPTIMIZER = "__opt_"  # what the names of an optimizer's tensors begin with, in OpenFL's runner for PyTorch


def _class(template):
    module, _, name = template.rpartition(".")
    return getattr(importlib.import_module(module), name)


def _first_path():
    """The first data path in plan/data.yaml, or None."""
    try:
        with open("plan/data.yaml") as file:
            lines = [line.strip() for line in file]
    except FileNotFoundError:
        lines = []
    return next((line.split(",", 1)[1].strip() for line in lines if "," in line and not line.startswith("#")), None)


class OpenFLTaskRunner(TaskRunner):
    def _data_loader(self):
        """For the initial model no data are needed, but a loader that wants some gets them as `fx plan initialize` does."""
        make = _class(self.data_template)
        try:
            return make(data_path=self.path, **self.data_settings)
        except Exception:
            path = _first_path()
            if self.path is not None or path is None:
                raise
        return make(data_path=path, **self.data_settings)

    def initial_model(self):
        self.runner = _class(self.template)(data_loader=self._data_loader(), **self.settings)
        self.runner.set_optimizer_treatment(self.opt_treatment)
        self.runner.initialize_tensorkeys_for_functions()
        self.takes_optimizer = self.opt_treatment == "CONTINUE_GLOBAL"
        self.sends_optimizer = self.takes_optimizer or (self.name is not None and self._sends_unasked())
        model, self.kept = self._split(self.runner.get_tensor_dict(False))
        if self.sends_optimizer:
            model.update(self._optimizer_tensors(model))
        self.names = set(model)
        return model

    def _sends_unasked(self):
        """Until 1.8 OpenFL's training in PyTorch does. What a training of the user's own does is not known."""
        release = importlib.import_module("openfl.__version__").__version__
        own = [getattr(type(self.runner), name, None) for name in self.functions if name.startswith("train")]
        return (tuple(map(int, release.split(".")[:2])) < (1, 9) and self._is_pytorch()
                and any(getattr(function, "__module__", "").startswith("openfl.") for function in own))

    def _is_pytorch(self):
        return hasattr(getattr(self.runner, "optimizer", None), "param_groups")

    def _split(self, tensors):
        """What travels and what stays."""
        held = importlib.import_module("openfl.utilities.split").split_tensor_dict_for_holdouts
        first = [self.runner.logger] if "logger" in inspect.signature(held).parameters else []  # until 1.7
        return held(*first, tensors, **self.runner.tensor_dict_split_fn_kwargs)

    def _as_after_training(self, call):
        """What `call` gives while the optimizer has a state, though nothing was trained yet."""
        if not self._is_pytorch():
            return call()
        from . import pytorch
        optimizer = self.runner.optimizer
        self.runner.optimizer = pytorch.stepped(optimizer)
        try:
            return call()
        finally:
            self.runner.optimizer = optimizer

    def _optimizer_tensors(self, model):
        """Zeros: nothing is known yet but names and shapes."""
        every, self.kept = self._split(self._as_after_training(lambda: self.runner.get_tensor_dict(True)))
        odd = sorted(name for name in set(every) - set(model) if not name.startswith(OPTIMIZER))
        if odd:
            raise ValueError(f"opt_treatment CONTINUE_GLOBAL is served for an optimizer of PyTorch; not for {', '.join(odd)}")
        return {name: numpy.zeros(numpy.shape(every[name])) for name in every if name not in model}

    def _go_on(self):
        """Others, or the process before this one, have trained: their optimizer's state is in the model."""
        self._as_after_training(lambda: self.runner.initialize_tensorkeys_for_functions(with_opt_vars=True))
        self.runner.training_round_completed = True

    def load(self, path):
        return {"train": self.runner.get_train_data_size(), "validate": self.runner.get_valid_data_size()}

    def save_native(self, model, path):
        self.runner.set_tensor_dict({**self.kept, **model}, with_opt_vars=False)
        self.runner.save_native(pathlib.Path(path))

    def can_save(self):
        base = importlib.import_module("openfl.federated.task.runner").TaskRunner
        return type(self.runner).save_native is not base.save_native

    def task(self, function, model, round, kwargs):
        """One function of the plan: its trained model, or None, and its metrics."""
        if self.takes_optimizer and round > 0 and not getattr(self.runner, "training_round_completed", True):
            self._go_on()
        wanted = self.runner.get_required_tensorkeys_for_function(function, **kwargs)
        tensors = {key.tensor_name: model[key.tensor_name] if key.tensor_name in self.names
                   else self.kept[key.tensor_name] for key in wanted}
        shared, local = getattr(self.runner, function)(col_name=self.name, round_num=round,
                                                       input_tensor_dict=tensors, **kwargs)
        self.kept.update({key.tensor_name: value for key, value in local.items() if key.tensor_name not in self.names})
        metrics = {key.tensor_name: float(numpy.asarray(value)) for key, value in shared.items() if "metric" in key.tags}
        trained = {key.tensor_name: value for key, value in shared.items()
                   if "trained" in key.tags and (key.tensor_name in self.names or self.sends_optimizer)}
        return (trained, metrics) if trained else metrics


if __name__ == "__main__":
    serve(OpenFLTaskRunner)
