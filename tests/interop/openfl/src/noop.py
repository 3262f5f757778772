"""A model of a given size that training does not change: what is left is OpenFL's own work."""
import numpy as np
from openfl.federated.data.loader import DataLoader
from openfl.federated.task.runner import TaskRunner
from openfl.utilities import TensorKey


class NoopDataLoader(DataLoader):
    def __init__(self, data_path, **kwargs):
        super().__init__(**kwargs)

    def get_feature_shape(self):
        return (1,)

    def get_train_data_size(self):
        return 8

    def get_valid_data_size(self):
        return 8


class NoopTaskRunner(TaskRunner):
    def __init__(self, tensors=10, elements=250000, **kwargs):
        super().__init__(**kwargs)
        self.model = {f"t{i}": np.full(elements, 0.5, dtype=np.float32) for i in range(tensors)}

    def get_tensor_dict(self, with_opt_vars=False):
        return self.model

    def set_tensor_dict(self, tensor_dict, with_opt_vars=False):
        self.model = dict(tensor_dict)

    def reset_opt_vars(self):
        pass

    def initialize_tensorkeys_for_functions(self, with_opt_vars=False):
        pass

    def get_required_tensorkeys_for_function(self, func_name, **kwargs):
        trained = kwargs.get("apply") == "local"
        return [TensorKey(n, "LOCAL" if trained else "GLOBAL", 0, False, ("trained" if trained else "model",))
                for n in self.model]

    def train_batches(self, col_name, round_num, input_tensor_dict, **kwargs):
        self.set_tensor_dict(input_tensor_dict)
        out = {TensorKey(n, col_name, round_num, False, ("trained",)): v for n, v in self.model.items()}
        return {**out, TensorKey("loss", col_name, round_num, True, ("metric",)): np.array(0.5)}, out

    def validate(self, col_name, round_num, input_tensor_dict, apply="global", **kwargs):
        suffix = "validate_local" if apply == "local" else "validate_agg"
        return {TensorKey("accuracy", col_name, round_num, True, ("metric", suffix)): np.array(0.5)}, {}
