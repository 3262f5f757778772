"""Handwritten digits by a small network in PyTorch."""
import numpy
import torch
from vouch_runner import TaskRunner, pytorch, serve


class Digits(TaskRunner):
    def initial_model(self):
        torch.manual_seed(1)
        self.net = torch.nn.Sequential(torch.nn.Linear(64, 32), torch.nn.ReLU(), torch.nn.Linear(32, 10))
        return pytorch.arrays(self.net, self.shared(self.optimizer()))

    def optimizer(self):
        return torch.optim.SGD(self.net.parameters(), lr=self.settings["learning_rate"],
                               momentum=self.settings.get("momentum", 0))

    def shared(self, optimizer):
        """What goes round with the model: the optimizer's state, if the plan says so."""
        return optimizer if self.opt_treatment == "CONTINUE_GLOBAL" else None

    def load(self, path):
        file, _, shard = path.partition("#")
        rows = numpy.loadtxt(file, delimiter=",", skiprows=1, dtype="float32")
        part, parts = map(int, (shard or "0/1").split("/"))
        self.x, self.y = torch.tensor(rows[part::parts, :64] / 16), torch.tensor(rows[part::parts, 64]).long()
        self.train_rows = torch.arange(len(self.y)) % 5 != 0
        return {"train": int(self.train_rows.sum()), "validate": int((~self.train_rows).sum())}

    def train(self, model, round, epochs=5):
        step = self.optimizer()
        pytorch.load(self.net, model, self.shared(step))
        for _ in range(epochs):
            step.zero_grad()
            loss = torch.nn.functional.cross_entropy(self.net(self.x[self.train_rows]), self.y[self.train_rows])
            loss.backward()
            step.step()
        return pytorch.arrays(self.net, self.shared(step)), {"loss": loss.item()}

    def validate(self, model, round):
        pytorch.load(self.net, model)
        with torch.no_grad():
            right = self.net(self.x[~self.train_rows]).argmax(1) == self.y[~self.train_rows]
        return {"accuracy": right.float().mean().item()}

    def save_native(self, model, path):
        pytorch.save(self.net, model, path)


serve(Digits)
