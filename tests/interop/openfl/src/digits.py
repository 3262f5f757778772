"""A softmax regression on the handwritten digits, as an OpenFL user would write it with numpy."""
import numpy as np
from openfl.federated.data.loader import DataLoader
from openfl.federated.task.runner import TaskRunner
from openfl.utilities import TensorKey


class DigitsDataLoader(DataLoader):
    """`data_path` is FILE#SHARD/SHARDS; every fifth row of a shard is held out."""

    def __init__(self, data_path, **kwargs):
        super().__init__(**kwargs)
        if data_path is None:  # `fx plan initialize` wants the model's shape only
            return
        path, _, share = data_path.partition("#")
        shard, shards = (int(n) for n in share.split("/"))
        rows = np.loadtxt(path, delimiter=",", skiprows=1)[shard::shards]
        held_out = np.arange(len(rows)) % 5 == 4
        features, labels = rows[:, :-1] / 16.0, rows[:, -1].astype(int)
        self.train = features[~held_out], labels[~held_out]
        self.valid = features[held_out], labels[held_out]

    def get_feature_shape(self):
        return (64,)

    def get_train_data_size(self):
        return len(self.train[1])

    def get_valid_data_size(self):
        return len(self.valid[1])


class DigitsTaskRunner(TaskRunner):
    """Weights [10, 64] and a bias [10], under the names that Vouch's built-in perceptron gives them;
    full-batch gradient descent, so a run repeats to the bit."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.weight = np.zeros((10, 64), dtype=np.float32)
        self.bias = np.zeros(10, dtype=np.float32)
        self.required = {}
        self.initialize_tensorkeys_for_functions()  # until 1.5 nobody else calls it

    def _probabilities(self, features):
        scores = features @ self.weight.T + self.bias
        scores = np.exp(scores - scores.max(axis=1, keepdims=True))
        return scores / scores.sum(axis=1, keepdims=True)

    def get_tensor_dict(self, with_opt_vars=False):
        return {"layer0.weight": self.weight, "layer0.bias": self.bias}

    def set_tensor_dict(self, tensor_dict, with_opt_vars=False):
        self.weight = np.asarray(tensor_dict["layer0.weight"], dtype=np.float32)
        self.bias = np.asarray(tensor_dict["layer0.bias"], dtype=np.float32)

    def save_native(self, filepath, **kwargs):
        with open(filepath, "wb") as file:
            np.savez(file, **self.get_tensor_dict())

    def reset_opt_vars(self):
        pass

    def initialize_tensorkeys_for_functions(self, with_opt_vars=False):
        shared = self.get_tensor_dict()
        self.required = {
            "train": [TensorKey(n, "GLOBAL", 0, False, ("model",)) for n in shared],
            "global": [TensorKey(n, "GLOBAL", 0, False, ("model",)) for n in shared],
            "local": [TensorKey(n, "LOCAL", 0, False, ("trained",)) for n in shared],
        }

    def get_required_tensorkeys_for_function(self, func_name, **kwargs):
        return self.required["train" if func_name == "train_batches" else kwargs["apply"]]

    def train_batches(self, col_name, round_num, input_tensor_dict, epochs=5, **kwargs):
        self.set_tensor_dict(input_tensor_dict)
        features, labels = self.data_loader.train
        wanted = np.eye(10)[labels]
        loss = 0.0
        for _ in range(epochs):
            found = self._probabilities(features)
            loss = float(-np.log(found[np.arange(len(labels)), labels]).mean())
            step = (found - wanted) / len(labels)
            self.weight = (self.weight - 2.0 * step.T @ features).astype(np.float32)
            self.bias = (self.bias - 2.0 * step.sum(axis=0)).astype(np.float32)
        key = TensorKey("loss", col_name, round_num, True, ("metric",))
        model = self.get_tensor_dict()
        out = {TensorKey(n, col_name, round_num, False, ("trained",)): v for n, v in model.items()}
        return {**out, key: np.array(loss)}, out

    def validate(self, col_name, round_num, input_tensor_dict, apply="global", **kwargs):
        self.set_tensor_dict(input_tensor_dict)
        features, labels = self.data_loader.valid
        accuracy = float((self._probabilities(features).argmax(axis=1) == labels).mean())
        suffix = "validate_local" if apply == "local" else "validate_agg"
        key = TensorKey("accuracy", col_name, round_num, True, ("metric", suffix))
        return {key: np.array(accuracy)}, {}
