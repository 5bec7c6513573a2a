#!/usr/bin/env python
"""Export a part of a model to ONNX.

python tools/export.py CONFIG CHECKPOINT --part encoder --out FILE.onnx --check
python tools/export.py CONFIG CHECKPOINT --part planner --out FILE.onnx --check
"""

import argparse
import json
import math
from collections.abc import Callable, Sequence
from pathlib import Path

from mmengine.config import Config
from mmengine.registry import init_default_scope
from torch import Tensor, nn

from mmocc.apis.pipeline import build_inference_pipeline, expected_cameras
from mmocc.apis.weights import load_weights
from mmocc.datasets import LoadSurroundImages
from mmocc.models.planners import MLPPlanner
from mmocc.projects.OnnxExport.onnx_export import (
    AnchorPlannerGraph,
    EncoderGraph,
    MLPPlannerGraph,
    differences,
    to_onnx,
    write_onnx,
)
from mmocc.registry import MODELS
from mmocc.utils.config import ConfigError, explained, load_config
from mmocc.utils.overrides import Overrides

PARTS = ('encoder', 'planner')
# In each output's own unit: metres, logits, features.
TOLERANCE = 1e-3
CHECKS = 3  # random inputs to compare on
# Visual tokens to trace OccVLA's planner with, which takes any number.
EXAMPLE_TOKENS = 64

EPILOG = """
encoder: SparseOccVLA's images to occupancy queries (backbone, neck, encoder).
planner: OccVLA's MLP, or SparseOccVLA's scorer and denoiser with its DDIM
  steps. Language models are not exported; docs/export.md says why.

Graphs are for one frame. Needs onnx and onnxscript, --check onnxruntime too.
"""


def parse_args(argv: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument('config', help='config file')
    parser.add_argument('checkpoint', help='checkpoint file')
    parser.add_argument('--part', required=True, choices=PARTS)
    parser.add_argument('--out', required=True, type=Path, metavar='FILE.onnx')
    parser.add_argument(
        '--check',
        action='store_true',
        help=f'compare with PyTorch on {CHECKS} random inputs, and write '
        f'nothing where they differ by more than {TOLERANCE}',
    )
    parser.add_argument(
        '--cfg-options',
        nargs='+',
        action=Overrides,
        metavar='KEY=VALUE',
        help='override config keys',
    )
    return parser.parse_args(argv)


def encoder_graph(
    cfg: Config, checkpoint: str
) -> tuple[EncoderGraph, Callable[[int], dict[str, Tensor]], dict[str, str]]:
    """The graph, its random inputs by seed, and what users must know."""
    wanted = ('backbone', 'neck', 'encoder')
    missing = [name for name in wanted if name not in cfg.model]
    if missing:
        raise ConfigError(
            f'{cfg.filename}: model.{missing[0]} is not there; only a model '
            f'with {", ".join(wanted)} has an encoder to export (docs/'
            'export.md says what else can be exported)'
        )
    refiners = cfg.model.encoder.get('refiner') or []
    for refiner in [refiners] if isinstance(refiners, dict) else refiners:
        refiner['backend'] = 'torch'
    parts = nn.ModuleDict(
        {name: MODELS.build(cfg.model[name]) for name in wanted}
    )
    load_weights(parts, checkpoint)
    graph = EncoderGraph(parts['backbone'], parts['neck'], parts['encoder'])
    transforms = build_inference_pipeline(cfg)
    loader = next(t for t in transforms if isinstance(t, LoadSurroundImages))
    if loader.size is None:
        raise ConfigError(
            f'{cfg.filename}: LoadSurroundImages has no `size`, and a graph '
            'is for one size of images; set it in the test pipeline'
        )
    preprocessor = cfg.model.data_preprocessor
    divisor = preprocessor.get('pad_size_divisor', 1)
    shape = tuple(math.ceil(n / divisor) * divisor for n in loader.size)
    metadata = dict(
        cameras=json.dumps(expected_cameras(transforms)),
        num_frames=str(parts['encoder'].num_frames),
        image_size=json.dumps(loader.size),
        padded_size=json.dumps(shape),
        mean=json.dumps(preprocessor.get('mean')),
        std=json.dumps(preprocessor.get('std')),
        channels='RGB' if preprocessor.get('bgr_to_rgb') else 'BGR',
    )
    return graph, lambda seed: graph.example(shape, seed), metadata


def planner_graph(
    cfg: Config, checkpoint: str
) -> tuple[
    MLPPlannerGraph | AnchorPlannerGraph,
    Callable[[int], dict[str, Tensor]],
    dict[str, str],
]:
    """Likewise of a planner."""
    if cfg.model.get('planner') is None:
        raise ConfigError(
            f'{cfg.filename}: model.planner is not there; use the config of '
            'stage 3'
        )
    parts = nn.ModuleDict(dict(planner=MODELS.build(cfg.model.planner)))
    load_weights(parts, checkpoint)
    planner = parts['planner']
    metadata = dict(planner=type(planner).__name__)
    if isinstance(planner, MLPPlanner):
        graph = MLPPlannerGraph(planner, cfg.model.planner.embed_dims)
        return (
            graph,
            lambda seed: graph.example(EXAMPLE_TOKENS, seed),
            metadata,
        )
    graph = AnchorPlannerGraph(planner)
    queries = cfg.model.encoder.num_queries
    overview = (cfg.model.get('bridge') or {}).get('num_global', 0)
    return (
        graph,
        lambda seed: graph.example(queries, overview, seed),
        metadata,
    )


def check(
    graph: EncoderGraph | MLPPlannerGraph | AnchorPlannerGraph,
    content: bytes,
    example: Callable[[int], dict[str, Tensor]],
) -> None:
    """Print how far onnxruntime is from PyTorch.

    Raises:
        ValueError: If that is further than ``TOLERANCE``.
    """
    runs = [
        differences(graph, content, example(seed))
        for seed in range(1, CHECKS + 1)
    ]
    largest = {name: max(run[name] for run in runs) for name in graph.outputs}
    print(f'largest difference to PyTorch on {CHECKS} random inputs:')
    for name, value in largest.items():
        print(f'  {name:<16} {value:.1e}')
    for name, value in largest.items():
        if not value <= TOLERANCE:  # also where it is no number
            raise ValueError(
                f'the exported {name} differs from PyTorch by {value:.1e}, '
                f'expected at most {TOLERANCE}; nothing is written (leave '
                '--check out to write it all the same)'
            )


def main(argv: Sequence[str] | None = None) -> None:
    args = parse_args(argv)
    with explained():
        cfg = load_config(args.config, args.cfg_options)
    with explained(cfg):
        init_default_scope(cfg.default_scope)
        build = dict(encoder=encoder_graph, planner=planner_graph)[args.part]
        graph, example, metadata = build(cfg, args.checkpoint)
        graph.eval()
        content = to_onnx(graph, example(0), metadata)
        if args.check:
            check(graph, content, example)
        write_onnx(args.out, content)
    print(f'{args.out}: {len(content) / 2**20:.1f} MiB')
    for name, value in example(0).items():
        print(f'  in  {name} {list(value.shape)}')
    print(f'  out {", ".join(graph.outputs)}')


if __name__ == '__main__':
    main()
