"""How much memory training takes, for each process, before it is tried.

python tools/analysis_tools/memory.py CONFIG [CONFIG ...] --processes 1 8
python tools/analysis_tools/memory.py CONFIG --measure

Without a GPU everything is computed. Weights, gradients and optimizer states
are counted on a model without data (torch's meta device), exactly, and
nothing is downloaded. Activations are estimated: the formulas are in
cost/activation_memory.py and in docs/training.md. The sum is a lower bound: it
leaves out the parts named there, the CUDA context and fragmentation.

``--measure`` takes one batch of the train loader through a training step and
prints what torch reports: on a GPU the peak of allocated memory, on a CPU
what autograd keeps for the backward pass. It needs the data and the weights.
"""

import argparse
from pathlib import Path
from typing import NamedTuple

import torch
from mmengine.config import Config
from mmengine.device import get_device
from mmengine.optim import build_optim_wrapper
from mmengine.registry import init_default_scope
from mmengine.runner import Runner
from torch import nn

from cost.activation_memory import Part, autograd_keeps, estimate_activations
from cost.meta_model import build_on_meta
from mmocc.registry import MODELS
from mmocc.utils.config import explained, load_config

GIB = 2**30
# Tensors of a weight's size and type that an optimizer keeps; SGD with
# momentum.
STATES = dict(AdamW=2, Adam=2, SGD=1)


class Memory(NamedTuple):
    """Bytes of one process."""

    weights: int
    gradients: int
    optimizer: int
    buffers: int  # of communication, and gathered weights and gradients

    @property
    def sum(self) -> int:
        return sum(self)


def parse_args() -> argparse.Namespace:
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
    parser.add_argument(
        '--batch-size',
        type=int,
        help="frames of each process; default: the config's",
    )
    parser.add_argument(
        '--measure',
        action='store_true',
        help='measure a training step on this machine instead',
    )
    return parser.parse_args()


def count(weights: list[nn.Parameter], states: int) -> Memory:
    """Of weights that one process holds as a whole."""
    trained = sum(p.nbytes for p in weights if p.requires_grad)
    return Memory(
        weights=sum(p.nbytes for p in weights),
        gradients=trained,
        optimizer=states * trained,
        buffers=0,
    )


def spread(cfg: Config, model: nn.Module, processes: int) -> Memory:
    """Of one of several processes.

    DistributedDataParallel holds everything in each, and sums gradients in
    buckets of their size. FSDP2 divides everything; of the weights outside of
    the sharded layers, and of two layers at a time (one computes, the next
    one is gathered), a process has all weights and gradients as well.
    """
    name = cfg.optim_wrapper.optimizer.type
    whole = count(list(model.parameters()), STATES[name])
    strategy = cfg.get('strategy')
    if strategy is None:
        buckets = whole.gradients if processes > 1 else 0
        return whole._replace(buffers=buckets)
    layers = [
        count(list(part.parameters()), 0).sum
        for part in model.modules()
        if type(part).__name__ in strategy.shard_modules
    ]
    outside = whole.weights + whole.gradients - sum(layers)
    shards = Memory(*(-(-part // processes) for part in whole))
    return shards._replace(buffers=outside + 2 * max(layers))


def report(path: Path, args: argparse.Namespace) -> None:
    """Print the table of a config."""
    cfg = load_config(path)
    model = build_on_meta(cfg)
    batch_size = args.batch_size or cfg.train_dataloader.batch_size
    parts = estimate_activations(cfg, model, batch_size)
    activations = sum(part.kept for part in parts)
    trained = sum(p.numel() for p in model.parameters() if p.requires_grad)
    frozen = sum(p.numel() for p in model.parameters()) - trained

    print(f'\n### {path.stem}\n')
    print(
        f'{trained / 1e6:,.1f} M weights train, {frozen / 1e6:,.1f} M are '
        f'frozen; {batch_size} frames a process. Computed, GiB a process:\n'
    )
    header = (
        'processes',
        'weights',
        'gradients',
        'optimizer',
        'buckets, gathered',
        'activations (estimate)',
        'sum',
    )
    print_row(header)
    print_row(['---:'] * len(header))
    for processes in args.processes:
        memory = spread(cfg, model, processes)
        numbers = (*memory, activations, memory.sum + activations)
        print_row((processes, *(f'{n / GIB:.2f}' for n in numbers)))
    print('\nActivations:\n')
    print_row(('part', 'GiB', 'computed from'))
    print_row(('---', '---:', '---'))
    for part in parts:
        print_row(part_row(part))


def part_row(part: Part) -> tuple[str, str, str]:
    return part.name, f'{part.kept / GIB:.2f}', part.formula


def print_row(cells: tuple | list) -> None:
    print('| ' + ' | '.join(map(str, cells)) + ' |')


def measure(path: Path, args: argparse.Namespace) -> None:
    """Print what a training step takes on this machine."""
    cfg = load_config(path)
    init_default_scope(cfg.default_scope)
    if args.batch_size is not None:
        cfg.train_dataloader.batch_size = args.batch_size
    device = get_device()
    model = MODELS.build(cfg.model)
    model.init_weights()
    model = model.to(device).train()
    loader = Runner.build_dataloader(cfg.train_dataloader, seed=0)
    batch = model.data_preprocessor(next(iter(loader)), True)

    def loss() -> torch.Tensor:
        return model.parse_losses(model(**batch, mode='loss'))[0]

    if device != 'cuda':
        kept = autograd_keeps(loss, model.parameters()) / GIB
        print(f'{path.stem}: autograd keeps {kept:.3f} GiB, measured on CPU')
        return
    optimizer = build_optim_wrapper(model, cfg.optim_wrapper)
    torch.cuda.reset_peak_memory_stats()
    optimizer.update_params(loss())
    peak = torch.cuda.max_memory_allocated() / GIB
    print(f'{path.stem}: peak {peak:.2f} GiB, measured on {device}')


def main() -> None:
    args = parse_args()
    for path in args.configs:
        with explained():
            (measure if args.measure else report)(path, args)


if __name__ == '__main__':
    main()
