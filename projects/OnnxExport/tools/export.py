#!/usr/bin/env python
"""Export a part of a model to ONNX.

python tools/export.py CONFIG CHECKPOINT --part encoder --out FILE.onnx --check
python tools/export.py CONFIG CHECKPOINT --part planner --out FILE.onnx --check
"""

import argparse
from collections.abc import Callable, Sequence
from pathlib import Path

from mmengine.registry import init_default_scope
from torch import Tensor

from mmocc.projects.OnnxExport.onnx_export import (
    Graph,
    build_encoder,
    build_planner,
    differences,
    to_onnx,
    write_onnx,
)
from mmocc.utils.config import explained, load_config
from mmocc.utils.overrides import Overrides

PARTS = dict(encoder=build_encoder, planner=build_planner)
# In each output's own unit: metres, logits, features.
TOLERANCE = 1e-3
CHECKS = 3  # random inputs to compare on

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


def check(
    graph: Graph,
    content: bytes,
    example: Callable[[int], dict[str, Tensor]],
) -> None:
    """Print the largest differences between onnxruntime and PyTorch.

    Raises:
        ValueError: If one is larger than ``TOLERANCE``.
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
        graph, example, metadata = PARTS[args.part](cfg, args.checkpoint)
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
