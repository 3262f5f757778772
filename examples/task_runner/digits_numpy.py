"""Handwritten digits by softmax regression, with numpy alone."""
import numpy
from vouch_runner import TaskRunner, serve


def scores(model, x):
    z = x @ model["weight"] + model["bias"]
    e = numpy.exp(z - z.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)


class Digits(TaskRunner):
    def initial_model(self):
        return {"weight": numpy.zeros((64, 10)), "bias": numpy.zeros(10)}

    def load(self, path):
        file, _, shard = path.partition("#")
        rows = numpy.loadtxt(file, delimiter=",", skiprows=1)
        part, parts = map(int, (shard or "0/1").split("/"))
        rows = rows[part::parts]
        self.x, self.y = rows[:, :64] / 16, rows[:, 64].astype(int)
        self.held_out = numpy.arange(len(rows)) % 5 == 0
        return {"train": int((~self.held_out).sum()), "validate": int(self.held_out.sum())}

    def train(self, model, round, epochs=5):
        x, y = self.x[~self.held_out], self.y[~self.held_out]
        weight, bias = model["weight"].copy(), model["bias"].copy()
        for _ in range(epochs):
            p = scores({"weight": weight, "bias": bias}, x)
            loss = -numpy.log(p[range(len(y)), y]).mean()
            p[range(len(y)), y] -= 1
            weight -= self.settings["learning_rate"] * x.T @ p / len(y)
            bias -= self.settings["learning_rate"] * p.mean(axis=0)
        return {"weight": weight, "bias": bias}, {"loss": loss}

    def validate(self, model, round):
        x, y = self.x[self.held_out], self.y[self.held_out]
        return {"accuracy": (scores(model, x).argmax(axis=1) == y).mean()}


serve(Digits)
