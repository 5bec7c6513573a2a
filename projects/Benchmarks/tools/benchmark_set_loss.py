"""Measure SparseOccVLA's set loss of one layer, with its gradient.

    python projects/Benchmarks/tools/benchmark_set_loss.py

76,800 predicted points are compared with 30,000 occupied voxels, by a k-d tree
and by blocks of the distance matrix; a quarter of both also by the whole
matrix. Each runs in a process of its own.
"""

import argparse

import torch
from torch import Tensor

from mmocc.projects.Benchmarks.benchmarks.benchmarking import (
    GIB,
    benchmark_parser,
    median_seconds,
    peak_bytes,
    run_in_process,
    save_result,
)
from mmocc.projects.SparseOccVLA.sparseoccvla.occ_head import (
    OccupiedVoxels,
    occupied_voxels,
)
from mmocc.registry import MODELS
from mmocc.structures import FREE, OccGrid
from mmocc.structures.sparse_occ import PointSet

# Predicted points, Q * R after SparseOccVLA's last layer, and voxels.
FULL_SIZE = (76_800, 30_000)
# A quarter of both; there the whole distance matrix takes 0.54 GiB.
QUARTER_SIZE = (19_200, 7_500)


class DenseNearest(torch.nn.Module):
    """Nearest neighbours by the whole distance matrix, for comparison."""

    @torch.no_grad()
    def forward(self, source: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
        """Return index and distance of the nearest target, (N,) each."""
        distance, index = torch.cdist(
            source, target, compute_mode='donot_use_mm_for_euclid_dist'
        ).min(1)
        return index, distance


def random_sets(
    size: tuple[int, int], device: str, seed: int
) -> tuple[PointSet, OccupiedVoxels]:
    """Draw random voxels, and points about 1 m from them."""
    points, voxels = size
    grid = OccGrid()
    random = torch.Generator().manual_seed(seed)
    semantics = torch.full(grid.shape, FREE)
    chosen = torch.randperm(semantics.numel(), generator=random)[:voxels]
    semantics.view(-1)[chosen] = torch.randint(
        FREE, (voxels,), generator=random
    )
    target = occupied_voxels(semantics.to(device), grid)
    nearby = torch.randint(voxels, (points,), generator=random)
    positions = target.centres.cpu()[nearby]
    positions = positions + torch.randn(points, 3, generator=random)
    logits = torch.randn(points, FREE, generator=random)
    points = PointSet(
        positions[None, :, None].to(device).requires_grad_(),
        logits[None, :, None].to(device).requires_grad_(),
    )
    return points, target


def run_set_loss(
    method: str, size: tuple[int, int], args: argparse.Namespace
) -> dict:
    """Return time and memory of one layer's loss, in a fresh process."""
    points, target = random_sets(size, args.device, args.seed)
    config = dict(type='SetOccLoss')
    if method != 'dense':
        config['nearest'] = dict(type='NearestNeighbour', method=method)
    loss = MODELS.build(config).to(args.device)
    if method == 'dense':
        loss.nearest = DenseNearest()
    totals = []

    def call() -> None:
        totals[:] = [sum(loss([points], [target]).values())]
        totals[0].backward()

    before = peak_bytes(args.device)
    seconds, busy = median_seconds(call, args.device, args.repeats, warm_up=0)
    return dict(
        points=size[0],
        voxels=size[1],
        method=method,
        seconds=seconds,
        cpu_seconds=busy,
        extra_gib=(peak_bytes(args.device) - before) / GIB,
        loss=float(totals[0].detach()),
    )


def main() -> None:
    args = benchmark_parser(__doc__).parse_args()
    runs = [(m, FULL_SIZE) for m in ('kdtree', 'chunked')]
    runs += [(m, QUARTER_SIZE) for m in ('kdtree', 'chunked', 'dense')]
    print(f'set loss of one layer with its gradient, {args.device}')
    print(f'{"points":>8}{"voxels":>8}  {"method":9}{"seconds":>9}', end='')
    print(f'{"CPU s":>9}{"extra GiB":>11}{"loss":>11}')
    rows = []
    for method, size in runs:
        row = run_in_process(run_set_loss, method, size, args)
        rows.append(row)
        print(
            f'{row["points"]:8}{row["voxels"]:8}  {method:9}'
            f'{row["seconds"]:9.3f}{row["cpu_seconds"]:9.3f}'
            f'{row["extra_gib"]:11.3f}{row["loss"]:11.5f}'
        )
    by_tree, by_blocks, dense = rows[2:]
    ratios = {
        f'{row["method"]} to dense, {key}': row[key] / dense[key]
        for row in (by_tree, by_blocks)
        for key in ('cpu_seconds', 'extra_gib')
    }
    for name, value in ratios.items():
        print(f'{name}: {value:.2f}')
    save_result(dict(rows=rows, ratios=ratios), args)


if __name__ == '__main__':
    main()
