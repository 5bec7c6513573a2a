"""A model of three numbers that uses every source of randomness."""

import os
import random
import signal

import numpy as np
import torch
from mmengine.evaluator import BaseMetric
from mmengine.hooks import Hook
from mmengine.model import BaseModel
from mmengine.registry import DATASETS, HOOKS, METRICS, MODELS
from torch import nn
from torch.utils.data import Dataset

from mmocc.engine import ReduceLossHook, SafeCheckpointHook

HOOKS.register_module(module=ReduceLossHook)
HOOKS.register_module(module=SafeCheckpointHook)


@DATASETS.register_module()
class ToyPoints(Dataset):
    """Points on a line, with noise drawn while they are loaded."""

    metainfo = dict(classes=('line',), palette=np.array([[1, 2, 3]]))

    def __init__(self, length: int = 16, noise: float = 0.0) -> None:
        self.inputs = torch.linspace(-1, 1, length)
        self.noise = noise

    def __len__(self) -> int:
        return len(self.inputs)

    def __getitem__(self, index: int) -> dict:
        x = self.inputs[index]
        shake = random.random() + np.random.rand() + torch.rand(()).item()
        return dict(x=x[None], y=(2 * x + 1 + self.noise * shake)[None])


@MODELS.register_module()
class ToyRegressor(BaseModel):
    """A linear layer behind a dropout."""

    def __init__(self, dropout: float = 0.0) -> None:
        super().__init__()
        self.dropout = nn.Dropout(dropout)
        self.hidden = nn.Linear(1, 8)
        self.output = nn.Linear(8, 1)

    def forward(
        self, x: list, y: list | None = None, mode: str = 'tensor'
    ) -> dict | list:
        hidden = self.dropout(self.hidden(torch.stack(x)).tanh())
        prediction = self.output(hidden)
        if mode == 'loss':
            return dict(
                loss=nn.functional.mse_loss(prediction, torch.stack(y))
            )
        return list(prediction - torch.stack(y))


@METRICS.register_module()
class ToyError(BaseMetric):
    """Mean absolute error."""

    def process(self, data_batch: dict, data_samples: list) -> None:
        self.results += [sample.abs().item() for sample in data_samples]

    def compute_metrics(self, results: list) -> dict:
        return dict(error=np.mean(results))  # a NumPy scalar, as often


@HOOKS.register_module()
class PowerCut(Hook):
    """Kill the process, or one of several, without warning."""

    def __init__(self, iteration: int, rank: int | None = None) -> None:
        self.iteration = iteration
        self.rank = rank

    def before_train_iter(
        self, runner, batch_idx: int, data_batch: dict | None = None
    ) -> None:
        mine = self.rank in (None, runner.rank)
        if mine and runner.iter == self.iteration:
            os.kill(os.getpid(), signal.SIGKILL)
