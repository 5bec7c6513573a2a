"""FLOPs and parameters of configs, without weights, data or a GPU.

python tools/analysis_tools/get_flops.py CONFIG [CONFIG ...]
python tools/analysis_tools/get_flops.py CONFIG --mode loss --out flops.json

The whole of a model's ``predict``, or the forward pass of its ``loss``, runs
on torch's meta device, at the sizes of the config's pipelines. A
multiplication and an addition count as two FLOPs, as in
torch.utils.flop_counter, which counts matrix products, convolutions and
attention. Others print multiply-adds, half as many.

Where the work depends on the data the most is taken: texts and answers of
full length, every voxel labelled and seen. What this does not reach is named
below each table; nothing is left out silently.
"""

import argparse
import json
import warnings
from pathlib import Path
from typing import Any, NamedTuple

import torch
from mmengine.config import Config
from torch import Tensor, nn

from cost.blank_batch import BatchSize, batch_size_of, blank_batch
from cost.flop_parts import Part, count_parameters, split_parts
from cost.meta_model import build_on_meta
from cost.without_values import FlopCount, count_flops
from mmocc.models.encoders import SparseVoxelRefiner
from mmocc.models.encoders.sparse_voxel_refiner import RefinedQueries
from mmocc.models.losses import OccLovaszLoss
from mmocc.models.losses.set_occ_loss import SetOccLoss
from mmocc.models.planners.anchor_bank import AnchorBank
from mmocc.utils.atomic import atomic_open
from mmocc.utils.config import explained, load_config

MEGA, GIGA = 1e6, 1e9
# Of an anchor that belongs to no command.
NO_COMMAND = -1

# Changes no FLOPs of a forward pass. The meta device knows no autocast, and
# torch's counter no gradients that start at an input.
FORWARD_ONLY = dict(dtype='float32', gradient_checkpointing=False)


class _UnrefinedQueries(nn.Module):
    """In the place of a refiner: queries and points stay as they are."""

    def forward(
        self, features: Tensor, points: Tensor, scores: Tensor
    ) -> RefinedQueries:
        return RefinedQueries(features, points, None)


class _NoSetLoss(nn.Module):
    """In the place of a set loss: no losses."""

    def forward(
        self, layers: Any, targets: Any, initial_points: Any = None
    ) -> dict:
        return {}


class _NoClassLoss(nn.Module):
    """In the place of a loss that looks at one class after another."""

    def forward(self, logits: Tensor, labels: Tensor) -> Tensor:
        return logits.new_zeros(())


LOSSES = (SetOccLoss, OccLovaszLoss)
# What needs values: its stand-in, and what is not counted.
NEEDS_VALUES = {
    SparseVoxelRefiner: (
        _UnrefinedQueries,
        'linear layers and sparse convolutions over voxels that hold points, '
        'whose number depends on the scene',
    ),
    SetOccLoss: (
        _NoSetLoss,
        'nearest neighbours and losses of points, without matrix products',
    ),
    OccLovaszLoss: (
        _NoClassLoss,
        'a sort of the voxels for each class that is there',
    ),
}


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument('configs', nargs='+', type=Path, metavar='CONFIG')
    parser.add_argument(
        '--mode',
        choices=('predict', 'loss'),
        default='predict',
        help='loss is its forward pass alone; default: predict',
    )
    parser.add_argument(
        '--batch-size', type=int, default=1, help='frames; default: 1'
    )
    parser.add_argument(
        '--answer-tokens',
        type=int,
        help="written by each answer of predict; default: the model's "
        'max_new_tokens, which few answers reach',
    )
    parser.add_argument('--out', type=Path, help='write a JSON file as well')
    return parser.parse_args()


def build(cfg: Config, answer_tokens: int | None = None) -> nn.Module:
    """The config's model on the meta device, as ``FORWARD_ONLY`` says."""
    _forward_only(cfg.model)
    if answer_tokens is not None and 'tokenizer' in cfg.model:
        cfg.model.max_new_tokens = answer_tokens
    return build_on_meta(cfg)


def _forward_only(node: object) -> None:
    if isinstance(node, dict):
        for key, value in node.items():
            if key in FORWARD_ONLY:
                node[key] = FORWARD_ONLY[key]
            else:
                _forward_only(value)
    elif isinstance(node, list | tuple):
        for value in node:
            _forward_only(value)


def leave_out(model: nn.Module, mode: str) -> dict[str, str]:
    """Take out of a model, in place, what cannot run without values.

    Args:
        model (nn.Module): The model.
        mode (str): 'predict', which runs no losses, or 'loss'.

    Returns:
        dict[str, str]: What is not counted therefore, by module.
    """
    left_out = {}
    for name, module in list(model.named_modules()):
        if type(module) not in NEEDS_VALUES or (
            mode != 'loss' and type(module) in LOSSES
        ):
            continue
        stand_in, what = NEEDS_VALUES[type(module)]
        parent, _, key = name.rpartition('.')
        # As setattr, also for the numbered children of a list or dict.
        model.get_submodule(parent).add_module(key, stand_in())
        left_out[name] = what
    return left_out


def fill_anchors(model: nn.Module) -> None:
    """Let planners believe that a checkpoint gave them anchors."""
    for bank in model.modules():
        if isinstance(bank, AnchorBank):
            state = {
                name: torch.empty_like(value, device='cpu').fill_(
                    0 if bank.mode == 'per_command' else NO_COMMAND
                )
                for name, value in bank.state_dict().items()
            }
            with warnings.catch_warnings():
                # That nothing is copied to the meta device.
                warnings.simplefilter('ignore', UserWarning)
                bank.load_state_dict(state)


class Report(NamedTuple):
    """What is known of a config.

    Attributes:
        name (str): Of the config.
        mode (str): 'predict' or 'loss'.
        size (BatchSize): Of the batch.
        answer_tokens (int): Written for each question; 0 where nothing is
            written.
        parts (list[Part]): They add up to the model.
        left_out (dict[str, str]): What is not counted, by module.
        count (FlopCount): FLOPs by module, and all that is to be said.
    """

    name: str
    mode: str
    size: BatchSize
    answer_tokens: int
    parts: list[Part]
    left_out: dict[str, str]
    count: FlopCount


def analyse(
    path: Path,
    mode: str = 'predict',
    frames: int = 1,
    answer_tokens: int | None = None,
) -> Report:
    """Count the FLOPs of a config.

    Args:
        path (Path): The config.
        mode (str): ``predict``, or ``loss`` for its forward pass. Defaults
            to 'predict'.
        frames (int): Of the batch. Defaults to 1.
        answer_tokens (int, optional): Of each answer. Defaults to None, the
            model's ``max_new_tokens``.
    """
    cfg = load_config(path)
    model = build(cfg, answer_tokens)
    parameters = count_parameters(model)
    left_out = leave_out(model, mode)
    fill_anchors(model)
    size = batch_size_of(cfg, model, mode, frames)
    inputs, samples = blank_batch(size)
    model.requires_grad_(False).train(mode == 'loss')
    count = count_flops(model, lambda: model(inputs, samples, mode=mode))
    return Report(
        path.stem,
        mode,
        size,
        model.max_new_tokens if size.texts and not size.answered else 0,
        split_parts(parameters, count.flops),
        left_out,
        count,
    )


def to_markdown(report: Report) -> str:
    """A table, and what it does not hold."""
    whole = Part(
        '**sum**',
        sum(part.parameters for part in report.parts),
        sum(part.flops for part in report.parts),
    )
    rows = [
        f'### {report.name}',
        '',
        _describe(report),
        '',
        '| part | parameters (M) | GFLOPs | share (%) |',
        '| --- | ---: | ---: | ---: |',
    ]
    for name, parameters, flops in [*report.parts, whole]:
        rows.append(
            f'| {name} | {parameters / MEGA:,.2f} | {flops / GIGA:,.2f} | '
            f'{100 * flops / max(whole.flops, 1):.1f} |'
        )
    rows += ['', 'Not counted:', '']
    rows += [f'* `{name}`: {what};' for name, what in report.left_out.items()]
    operators = ', '.join(sorted(report.count.uncounted))
    rows += [f'* operators without known FLOPs: {operators}.']
    if report.count.answers:
        rows += ['', 'Answered where a value was asked for:', '']
    rows += [
        f'* `{where or "the model"}`: {said} ({times} times).'
        for (where, said), times in sorted(report.count.answers.items())
    ]
    return '\n'.join(rows)


def _describe(report: Report) -> str:
    """The sizes of a batch in words."""
    size = report.size
    words = [f'{report.mode}, batch of {size.frames}']
    if size.images:
        words.append(f'{size.images} images of {size.height} x {size.width}')
    if size.texts:
        kind = 'texts' if size.answered else 'questions'
        words.append(f'{size.texts} {kind} of {size.tokens} tokens')
    if report.answer_tokens:
        words.append(f'answers of {report.answer_tokens} tokens')
    return '; '.join(words) + '.'


def to_json(report: Report) -> dict:
    """Everything, in FLOPs and numbers of weights."""
    return dict(
        config=report.name,
        mode=report.mode,
        batch=report.size._asdict(),
        answer_tokens=report.answer_tokens,
        flops=sum(report.count.flops.values()),
        parameters=sum(part.parameters for part in report.parts),
        parts=[part._asdict() for part in report.parts],
        modules=dict(report.count.flops),
        not_counted=report.left_out,
        operators_not_counted=dict(report.count.uncounted),
        answers=[
            dict(module=where, answer=said, times=times)
            for (where, said), times in report.count.answers.items()
        ],
    )


def main() -> None:
    args = parse_args()
    reports = []
    for path in args.configs:
        with explained():
            report = analyse(
                path, args.mode, args.batch_size, args.answer_tokens
            )
        print(f'\n{to_markdown(report)}', flush=True)
        reports.append(to_json(report))
    if args.out is not None:
        with atomic_open(args.out, 'w') as file:
            json.dump(reports, file, indent=2)
        print(f'\nwrote {args.out}')


if __name__ == '__main__':
    main()
