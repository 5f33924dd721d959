"""PyTorch in the benchmark."""

from itertools import pairwise

import numpy as np
import torch
from benchmark_works import (
    BETA_1,
    BETA_2,
    EPSILON,
    NORM_EPSILON,
    NORM_MOMENTUM,
    Array,
    Work,
)
from torch import nn

# The first optimizer imports 800 modules, a second's work; no import is timed.
torch.optim.Adam([nn.Parameter(torch.zeros(1))])


class TorchLoop:
    """PyTorch as a good tutorial writes it: eager, one step after the other.

    Rows are permuted once an epoch and Adam is the fused one; with rows by index in every
    step, and the default Adam, a step of the digits takes 0.45 ms instead of 0.32.

    Args:
        work: what is trained.
        threads: two nearly halve a step of `fit-middle` on two idle cores (3.4 to 2.0
            ms), and on busy ones make it several times slower: two OpenMP threads then
            wait for each other on one core. Small steps gain nothing from them.
    """

    def __init__(self, work: Work, *, threads: int = 1) -> None:
        torch.set_num_threads(threads)
        self.work = work
        self.model = sequential(work)
        self.loss = nn.CrossEntropyLoss() if work.task == "classification" else nn.MSELoss()
        self.rows = tensors(work.x_train, work.y_train)
        self.test_rows = tensors(work.x_test, work.y_test)

    def reset(self, seed: int) -> None:
        """New weights and a new Adam."""
        torch.manual_seed(seed)
        dense = [part for part in self.model if isinstance(part, nn.Linear)]
        with torch.no_grad():
            for linear, (kernel, bias) in zip(dense, self.work.weights(seed), strict=True):
                linear.weight.copy_(torch.from_numpy(kernel.T.copy()))
                linear.bias.copy_(torch.from_numpy(bias))
        for part in self.model:
            if isinstance(part, nn.BatchNorm1d):
                part.reset_parameters()
        self.optimizer = torch.optim.Adam(
            self.model.parameters(),
            self.work.learning_rate,
            (BETA_1, BETA_2),
            EPSILON,
            fused=True,
        )

    def run(self, epochs: int) -> dict[str, float]:
        """The loop; the means of an epoch are taken while it trains, as Keras does."""
        for _ in range(epochs):
            logs = self.train()
            if self.work.validate:
                logs |= self.validate()
        return logs

    def train(self) -> dict[str, float]:
        """One epoch."""
        x, y = self.rows
        order = torch.randperm(len(x))
        batches = [rows[order].split(self.work.batch_size) for rows in (x, y)]
        loss_sum, hits = torch.zeros(()), torch.zeros(())
        self.model.train()
        for x_batch, y_batch in zip(*batches, strict=True):
            outputs = self.model(x_batch)
            loss = self.loss(outputs, y_batch)
            self.optimizer.zero_grad()
            loss.backward()
            self.optimizer.step()
            loss_sum += loss.detach() * len(x_batch)
            if self.work.accuracy:
                hits += (outputs.argmax(dim=1) == y_batch).sum()
        logs = {"loss": loss_sum.item() / len(x)}
        return logs | ({"accuracy": hits.item() / len(x)} if self.work.accuracy else {})

    @torch.no_grad()
    def validate(self) -> dict[str, float]:
        """On all test rows at once."""
        x, y = self.test_rows
        self.model.eval()
        outputs = self.model(x)
        logs = {"val_loss": self.loss(outputs, y).item()}
        if self.work.accuracy:
            logs["val_accuracy"] = (outputs.argmax(dim=1) == y).float().mean().item()
        return logs

    @torch.no_grad()
    def outputs(self, x: Array) -> Array:
        """Logits or values."""
        self.model.eval()
        return self.model(torch.from_numpy(x)).numpy()


def sequential(work: Work) -> nn.Sequential:
    """The network of the work."""
    model = nn.Sequential()
    for n_in, n_out in pairwise(work.sizes[:-1]):
        model.extend([nn.Linear(n_in, n_out), nn.ReLU()])
        if work.batch_norm:  # whose momentum is the new value's share, not the old one's
            model.append(nn.BatchNorm1d(n_out, NORM_EPSILON, 1 - NORM_MOMENTUM))
        if work.dropout:
            model.append(nn.Dropout(work.dropout))
    return model.append(nn.Linear(*work.sizes[-2:]))


def tensors(x: Array, y: Array) -> tuple[torch.Tensor, torch.Tensor]:
    """Rows and targets; PyTorch wants its labels as int64."""
    targets = y.astype(np.int64) if y.dtype.kind == "i" else y
    return torch.from_numpy(x), torch.from_numpy(targets)
