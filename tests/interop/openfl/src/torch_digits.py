"""The handwritten digits with OpenFL's own PyTorch task runner and an optimiser that has a state."""
import importlib.util

import numpy as np
import torch
from openfl.federated.task.runner_pt import PyTorchTaskRunner
from openfl.utilities import Metric

from .digits import DigitsDataLoader

BATCHES = 4
MAY_LACK_DATA = importlib.util.find_spec("openfl.utilities.dataloading") is not None  # for the initial model


class TorchDigitsDataLoader(DigitsDataLoader):
    def __init__(self, data_path, **kwargs):
        if data_path is None and not MAY_LACK_DATA:
            raise TypeError("no data")  # as those of OpenFL's templates
        super().__init__(data_path, **kwargs)

    def get_train_loader(self, **kwargs):
        features, labels = self.train
        for part in range(BATCHES):
            yield features[part::BATCHES].astype(np.float32), labels[part::BATCHES]

    def get_valid_loader(self, **kwargs):
        features, labels = self.valid
        until_15 = not hasattr(PyTorchTaskRunner, "validate_")  # which wants a column for each class
        yield features.astype(np.float32), np.eye(10)[labels] if until_15 else labels


class TorchDigitsTaskRunner(PyTorchTaskRunner):
    def __init__(self, optimizer="Adam", settings=None, **kwargs):
        super().__init__(device="cpu", **kwargs)
        torch.manual_seed(1)
        torch.set_num_threads(1)
        self.layer = torch.nn.Linear(64, 10)
        self.optimizer = getattr(torch.optim, optimizer)(self.parameters(), **(settings or {}))
        self.loss_fn = torch.nn.functional.cross_entropy
        self.initialize_tensorkeys_for_functions()

    def forward(self, features):
        return self.layer(features)

    def train_(self, batches):
        losses = []
        for features, labels in batches:
            self.optimizer.zero_grad()
            loss = self.loss_fn(self(torch.tensor(features)), torch.tensor(labels))
            loss.backward()
            self.optimizer.step()
            losses.append(loss.item())
        return Metric(name="loss", value=np.array(np.mean(losses)))

    train_epoch = train_  # as it is called until 1.5
