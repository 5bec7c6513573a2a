"""Print how much memory training takes, for each process.

    python tools/analysis_tools/memory.py CONFIG [CONFIG ...] --processes 1 8

Weights, gradients and optimizer states are counted on torch's meta device,
exactly and without a download. They are a lower bound: activations depend on
kernels, recomputation and data. ``benchmark_training.py`` beside this file
measures the peak of whole training steps.
"""

import argparse
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from mmengine.config import Config
from torch import nn

from mmocc.projects.Benchmarks.benchmarks import build_on_meta
from mmocc.utils.config import explained, load_config

GIB = 2**30
# Tensors of a weight's size that an optimizer keeps; SGD with momentum.
STATES = dict(AdamW=2, Adam=2, SGD=1)


class TrainingMemory(NamedTuple):
    """Bytes that a process holds, activations left out.

    Attributes:
        weights (int): All weights, frozen ones included.
        gradients (int): Gradients of the weights that train.
        optimizer (int): States of the optimizer.
        buffers (int): Buckets of DDP, or layers that FSDP2 has gathered.
    """

    weights: int
    gradients: int
    optimizer: int
    buffers: int


def count_memory(
    weights: Iterable[nn.Parameter], states: int
) -> TrainingMemory:
    """Count the memory of weights that one process holds as a whole.

    Args:
        weights (Iterable[nn.Parameter]): The weights.
        states (int): Optimizer states for each weight that trains.
    """
    weights = list(weights)
    trained = sum(p.nbytes for p in weights if p.requires_grad)
    total = sum(p.nbytes for p in weights)
    return TrainingMemory(total, trained, states * trained, 0)


def split_memory(
    cfg: Config, model: nn.Module, processes: int
) -> TrainingMemory:
    """Count the memory of one of several processes.

    DistributedDataParallel holds everything in each process and sums
    gradients in buckets of their size. FSDP2 divides everything; a process
    has the weights and gradients outside of the sharded layers as a whole,
    and those of two layers at a time (one computes, the next is gathered).
    """
    states = STATES[cfg.optim_wrapper.optimizer.type]
    whole = count_memory(model.parameters(), states)
    strategy = cfg.get('strategy')
    if strategy is None:
        buckets = whole.gradients if processes > 1 else 0
        return whole._replace(buffers=buckets)
    layers = [
        sum(count_memory(part.parameters(), 0))
        for part in model.modules()
        if type(part).__name__ in strategy.shard_modules
    ]
    outside = whole.weights + whole.gradients - sum(layers)
    shards = TrainingMemory(*(-(-part // processes) for part in whole))
    return shards._replace(buffers=outside + 2 * max(layers))


def print_count(cfg: Config, name: str, processes: Iterable[int]) -> None:
    """Print the memory of a config for several numbers of processes."""
    model = build_on_meta(cfg)
    trained = sum(p.numel() for p in model.parameters() if p.requires_grad)
    frozen = sum(p.numel() for p in model.parameters()) - trained
    print(f'\n### {name}\n')
    print(
        f'{trained / 1e6:,.1f} M weights train, {frozen / 1e6:,.1f} M are '
        'frozen. GiB a process, without activations:\n'
    )
    columns = [*TrainingMemory._fields, 'sum']
    print(f'| processes | {" | ".join(columns)} |')
    print('| ---: ' * (len(columns) + 1) + '|')
    for number in processes:
        memory = split_memory(cfg, model, number)
        cells = [f'{part / GIB:.2f}' for part in (*memory, sum(memory))]
        print(f'| {number} | {" | ".join(cells)} |')


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument('configs', nargs='+', type=Path, metavar='CONFIG')
    parser.add_argument(
        '--processes',
        nargs='+',
        type=int,
        default=[1, 8],
        help='numbers of GPUs; default: 1 8',
    )
    args = parser.parse_args()
    for path in args.configs:
        with explained():
            print_count(load_config(path), path.stem, args.processes)


if __name__ == '__main__':
    main()
