"""A few training steps of a config at its own size: do they run, and learn?"""

import argparse
import time
from collections import Counter
from functools import partial

import torch
from mmengine.config import Config
from mmengine.optim import OptimWrapper, build_optim_wrapper
from mmengine.registry import init_default_scope
from mmengine.runner import Runner
from torch import nn

from benchmarks.measuring import GIB, peak_bytes, synchronise
from cost.meta_model import without_downloads
from mmocc.registry import MODELS
from mmocc.utils.config import load_config

PIECE = 2**24  # numbers that are turned into doubles at a time
COLUMNS = ('weights', 'trainable', 'gradient', 'moved')


def build(args: argparse.Namespace) -> tuple[Config, nn.Module]:
    """The config and its model, on random weights where that is asked for."""
    cfg = load_config(args.config, args.cfg_options)
    init_default_scope(cfg.default_scope)
    dataset = cfg.train_dataloader.dataset
    if args.data_root is not None:
        dataset.data_root = f'{args.data_root}/'
    cfg.train_dataloader.update(
        batch_size=args.batch_size, num_workers=0, persistent_workers=False
    )
    if args.random_weights:
        without_downloads(cfg.model)
        without_downloads(dataset)
        # What was named by hand stays, such as fitted anchors.
        cfg.merge_from_dict(args.cfg_options or {})
    torch.manual_seed(args.seed)
    model = MODELS.build(cfg.model)
    model.init_weights()
    return cfg, model.to(args.device).train()


def trainable(model: nn.Module) -> dict[str, nn.Parameter]:
    """The weights that may train, by name."""
    return {
        name: weight
        for name, weight in model.named_parameters()
        if weight.requires_grad
    }


def watch_gradients(model: nn.Module) -> set[str]:
    """Names of the weights that have got a gradient so far, kept up to date.

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
    """A number for each trainable weight, which an optimizer changes."""
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
    """One step: its losses, its seconds and the peak of memory so far."""
    start = time.perf_counter()
    logs = model.train_step(batch, optimizer)
    losses = {name: value.item() for name, value in logs.items()}
    synchronise(device)
    return dict(
        seconds=time.perf_counter() - start,
        peak_gib=peak_bytes(device) / GIB,
        losses=losses,
    )


def part_of(name: str) -> str:
    """The part that a weight is counted under: two levels of the model."""
    return '.'.join(name.split('.')[:2])


def count_parts(
    model: nn.Module, reached: set[str], moved: set[str]
) -> dict[str, dict[str, int]]:
    """By part: weights; those that may train, got a gradient, and moved."""
    counts: dict[str, Counter] = {}
    for name, weight in model.named_parameters():
        part = counts.setdefault(
            part_of(name), Counter(dict.fromkeys(COLUMNS, 0))
        )
        for column, counted in zip(
            COLUMNS,
            (True, weight.requires_grad, name in reached, name in moved),
            strict=True,
        ):
            part[column] += weight.numel() * counted
    return {part: dict(count) for part, count in counts.items()}


def training(args: argparse.Namespace) -> dict:
    """Measure and print."""
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
    return dict(
        config=args.config,
        batch_size=args.batch_size,
        random_weights=args.random_weights,
        steps=rows,
        parts=parts,
        unreached=unreached,
    )
