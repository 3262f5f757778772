"""Between a PyTorch module and a model of arrays.

    from vouch_runner import pytorch

    arrays = pytorch.arrays(module)      # what a task returns
    pytorch.load(module, model)          # what a task is given
    pytorch.save(module, model, path)    # what save_native does

Where the plan shares the optimiser's state (`opt_treatment: CONTINUE_GLOBAL`), it is part of the model, under the names
that OpenFL gives to it; until somebody has trained it is zeros, or what the optimiser itself begins with:

    arrays = pytorch.arrays(module, optimizer)
    pytorch.load(module, model, optimizer)
"""
import copy

import numpy
import torch


def arrays(module, optimizer=None):
    """Parameters and buffers of the module, by name, as float32 arrays; with the state of an optimiser that is given."""
    model = {name: values.detach().cpu().to(torch.float32).numpy() for name, values in module.state_dict().items()}
    return model if optimizer is None else {**model, **_state_arrays(optimizer)}


def load(module, model, optimizer=None):
    """Put a model's values into the module; each keeps the type that the module gives it (a counter of batches
    is a whole number). An optimiser that is given gets its state out of the model, too."""
    state = module.state_dict()
    module.load_state_dict({name: torch.tensor(model[name]).to(state[name].dtype) for name in state})
    if optimizer is not None:
        _load_state(optimizer, model)


def stepped(optimizer):
    """A copy of the optimiser, and of all that it works on, after one step over gradients of zero: what state it keeps
    is known only after a step."""
    other = copy.deepcopy(optimizer)
    for group in other.param_groups:
        for parameter in group["params"]:
            parameter.grad = torch.zeros_like(parameter) if parameter.requires_grad else None
    other.step()
    return other


def _entries(state_dict):
    """(name, state of the parameter, key) of each number and tensor of a state. Parameters without one do not count."""
    for number, group in enumerate(state_dict["param_groups"]):
        known = sorted(p for p in group["params"] if p in state_dict["state"])
        for index, parameter in enumerate(known):
            state = state_dict["state"][parameter]
            for key in (key for key, value in state.items() if value is not None):
                tag = "istensor" if torch.is_tensor(state[key]) else ""
                yield f"__opt_state_{number}_{index}_{tag}_{key}", state, key


def _state_arrays(optimizer):
    trained = bool(optimizer.state)
    saved = (optimizer if trained else stepped(optimizer)).state_dict()
    if not saved["state"]:
        return {}  # it keeps none
    out = {}
    for name, state, key in _entries(saved):
        value = state[key].detach().cpu().to(torch.float32).numpy() if torch.is_tensor(state[key]) else [state[key]]
        out[name] = numpy.array(value, dtype="float32")
    out["__opt_group_lengths"] = numpy.array([sum(p in saved["state"] for p in group["params"])
                                              for group in saved["param_groups"]], dtype="float32")
    return out if trained else {name: numpy.zeros_like(values) for name, values in out.items()}


def _load_state(optimizer, model):
    if not numpy.any(model.get("__opt_group_lengths", 0)):
        return  # nobody has trained yet, or it keeps none
    saved = stepped(optimizer).state_dict()
    for name, state, key in _entries(saved):
        if torch.is_tensor(state[key]):
            state[key] = torch.tensor(model[name]).to(state[key].dtype)
        else:
            value = float(model[name][0])
            state[key] = round(value) if isinstance(state[key], int) else value
    optimizer.load_state_dict({"state": saved["state"], "param_groups": optimizer.state_dict()["param_groups"]})


def save(module, model, path):
    """Write the model as torch.load reads it, a state_dict of the module."""
    load(module, model)
    torch.save(module.state_dict(), path)
