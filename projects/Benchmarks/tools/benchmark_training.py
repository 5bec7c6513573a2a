"""Take a config through a few training steps at its own size.

    python projects/Benchmarks/tools/benchmark_training.py CONFIG \\
        --random-weights

Prints losses, seconds and the peak of memory of each step, and which weights
train, got a gradient and moved.
"""

import argparse
import time
from collections import Counter
from functools import partial

import torch
from mmengine.config import Config
from mmengine.optim import OptimWrapper, build_optim_wrapper
from mmengine.runner import Runner
from torch import nn

from mmocc.projects.Benchmarks.benchmarks import use_random_weights
from mmocc.projects.Benchmarks.benchmarks.benchmarking import (
    GIB,
    add_config_options,
    benchmark_parser,
    load_training_config,
    peak_bytes,
    save_result,
    synchronise,
)
from mmocc.registry import MODELS

PIECE = 2**24  # numbers that are turned into doubles at a time
COLUMNS = ('weights', 'trainable', 'gradient', 'moved')


def build(args: argparse.Namespace) -> tuple[Config, nn.Module]:
    """Build the config and its model, with random weights if asked for."""
    cfg = load_training_config(args)
    cfg.train_dataloader.update(
        batch_size=args.batch_size, num_workers=0, persistent_workers=False
    )
    if args.random_weights:
        use_random_weights(cfg.model)
        use_random_weights(cfg.train_dataloader.dataset)
        # What was named by hand stays, such as fitted anchors.
        cfg.merge_from_dict(args.cfg_options or {})
    torch.manual_seed(args.seed)
    model = MODELS.build(cfg.model)
    model.init_weights()
    return cfg, model.to(args.device).train()


def trainable(model: nn.Module) -> dict[str, nn.Parameter]:
    """Return the weights that may train, by name."""
    return {
        name: weight
        for name, weight in model.named_parameters()
        if weight.requires_grad
    }


def watch_gradients(model: nn.Module) -> set[str]:
    """Return a set that fills with the names of weights that get a gradient.

    That a weight moved says less: weight decay moves it as well.
    """
    reached = set()

    def note(weight: nn.Parameter, name: str) -> None:
        if weight.grad.any():
            reached.add(name)

    for name, weight in trainable(model).items():
        weight.register_post_accumulate_grad_hook(partial(note, name=name))
    return reached


def fingerprints(model: nn.Module) -> dict[str, float]:
    """Return a checksum of each trainable weight."""
    return {
        name: sum(
            piece.double().abs().sum().item()
            for piece in weight.detach().flatten().split(PIECE)
        )
        for name, weight in trainable(model).items()
    }


def step(
    model: nn.Module, optimizer: OptimWrapper, batch: dict, device: str
) -> dict:
    """Take one step; return its losses, seconds and peak of memory."""
    start = time.perf_counter()
    logs = model.train_step(batch, optimizer)
    losses = {name: value.item() for name, value in logs.items()}
    synchronise(device)
    return dict(
        seconds=time.perf_counter() - start,
        peak_gib=peak_bytes(device) / GIB,
        losses=losses,
    )


def count_parts(
    model: nn.Module, reached: set[str], moved: set[str]
) -> dict[str, dict[str, int]]:
    """Count weights by two levels of the model: all, and those reached."""
    counts: dict[str, Counter] = {}
    for name, weight in model.named_parameters():
        part = counts.setdefault(
            '.'.join(name.split('.')[:2]), Counter(dict.fromkeys(COLUMNS, 0))
        )
        for column, counted in zip(
            COLUMNS,
            (True, weight.requires_grad, name in reached, name in moved),
            strict=True,
        ):
            part[column] += weight.numel() * counted
    return {part: dict(count) for part, count in counts.items()}


def main() -> None:
    parser = benchmark_parser(__doc__)
    add_config_options(parser)
    parser.add_argument('--batch-size', type=int, default=1)
    parser.add_argument('--steps', type=int, default=2)
    parser.add_argument(
        '--random-weights',
        action='store_true',
        help='no checkpoint, and the tokenizer that ships with mmocc',
    )
    args = parser.parse_args()
    cfg, model = build(args)
    loader = Runner.build_dataloader(cfg.train_dataloader, seed=args.seed)
    batches = iter(loader)
    optimizer = build_optim_wrapper(model, cfg.optim_wrapper)
    before, reached = fingerprints(model), watch_gradients(model)
    print(f'{args.config}, {args.device}, {args.batch_size} frames a step')
    rows = []
    for number in range(args.steps):
        row = step(model, optimizer, next(batches), args.device)
        rows.append(row)
        losses = ' '.join(f'{k} {v:.4g}' for k, v in row['losses'].items())
        print(
            f'step {number + 1}: {row["seconds"]:.1f} s, peak '
            f'{row["peak_gib"]:.2f} GiB, {losses}',
            flush=True,
        )
    after = fingerprints(model)
    parts = count_parts(
        model,
        reached,
        {name for name in before if before[name] != after[name]},
    )
    unreached = [name for name in before if name not in reached]
    print(f'{"M weights of":40}' + ''.join(f'{c:>11}' for c in COLUMNS))
    for name, counts in parts.items():
        print(f'{name:40}', end='')
        print(''.join(f'{count / 1e6:11.3f}' for count in counts.values()))
    if unreached:
        print('trainable, without a gradient: ' + ', '.join(unreached))
    result = dict(
        config=args.config,
        batch_size=args.batch_size,
        random_weights=args.random_weights,
        steps=rows,
        parts=parts,
        unreached=unreached,
    )
    save_result(result, args)


if __name__ == '__main__':
    main()
