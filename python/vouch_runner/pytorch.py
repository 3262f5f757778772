"""Between a PyTorch module and a model of arrays.

    from vouch_runner import pytorch

    arrays = pytorch.arrays(module)      # what a task returns
    pytorch.load(module, model)          # what a task is given
"""
import torch


def arrays(module):
    """Parameters and buffers of the module, by name, as float32 arrays."""
    return {name: values.detach().cpu().to(torch.float32).numpy() for name, values in module.state_dict().items()}


def load(module, model):
    """Put a model's values into the module; each keeps the type that the module gives it (a counter of batches
    is a whole number)."""
    state = module.state_dict()
    module.load_state_dict({name: torch.tensor(model[name]).to(state[name].dtype) for name in state})
