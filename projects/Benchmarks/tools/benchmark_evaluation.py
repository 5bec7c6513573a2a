"""Measure the time of scoring frames and plans, and the memory of files.

    python projects/Benchmarks/tools/benchmark_evaluation.py

mIoU and RayIoU on Occ3D's grid, every planning preset among 60 agents, and
what evaluating files of 40 and of 200 frames adds to a process.
"""

import argparse
import os
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numba
import numpy as np
import torch

from mmocc.evaluation.files import GridFileWriter
from mmocc.evaluation.functional import (
    PRESETS,
    Agents,
    MapLines,
    PlanSample,
    occ_histogram,
    ray_counts,
    tally_plan,
)
from mmocc.evaluation.tasks import TASKS
from mmocc.projects.Benchmarks.benchmarks.benchmarking import (
    benchmark_parser,
    median_ms,
    run_in_process,
    save_result,
    street_scene,
)

NUM_FRAMES, NUM_ORIGINS, NUM_PLANS, NUM_AGENTS = 4, 8, 50, 60
# Frames of the evaluations whose memory is compared.
WARM_UP, FEW, MANY = 2, 40, 200


def traffic_sample(seed: int) -> PlanSample:
    """Make a plan among 60 agents, with 8 areas and 40 boundary lines."""
    rng = np.random.default_rng(seed)
    now = np.column_stack(
        (rng.uniform(-40, 40, (NUM_AGENTS, 2)), rng.uniform(-3, 3, NUM_AGENTS))
    )
    steps = rng.normal(0, 1, (NUM_AGENTS, 6, 3)) * [1, 1, 0.05]
    truth = np.cumsum(rng.normal([3, 0], [1, 0.3], (6, 2)), axis=0)
    angles = np.linspace(0, 2 * np.pi, 60)
    circle = np.stack((np.cos(angles), np.sin(angles)), axis=-1)
    rings = [
        rng.uniform(5, 20) * circle + rng.uniform(-40, 40, 2)
        for _ in range(48)
    ]
    return PlanSample(
        plan=truth + rng.normal(0, 0.5, (6, 2)),
        truth=truth,
        mask=np.ones(6, dtype=bool),
        truth_yaw=rng.normal(0, 0.1, 6),
        agents=Agents(
            category=np.full(NUM_AGENTS, 'vehicle.car'),
            size=rng.uniform([3, 1.5], [6, 2.2], (NUM_AGENTS, 2)),
            now=now,
            future=now[:, None] + np.cumsum(steps, axis=1),
            future_mask=np.ones((NUM_AGENTS, 6), dtype=bool),
            has_points=np.ones((NUM_AGENTS, 6), dtype=bool),
            recently_seen=np.ones(NUM_AGENTS, dtype=bool),
        ),
        drivable=MapLines(rings[:8], [False] * 8),
        boundary=MapLines(rings[8:], [False] * 40),
        frame_idx=10,
        scene_length=40,
    )


def occ_row(repeats: int, seed: int) -> dict:
    rng = np.random.default_rng(seed)
    items = []
    for frame in range(NUM_FRAMES):
        truth = street_scene(seed + frame)
        mask = rng.random(truth.shape) < 0.3
        items.append((np.roll(truth, 1, axis=0), truth, mask))
    return median_ms(occ_histogram, items, repeats)


def rayiou_row(repeats: int, seed: int, device: str) -> dict:
    rng = np.random.default_rng(seed)
    items = []
    for frame in range(NUM_FRAMES):
        truth = street_scene(seed + frame)
        pred = torch.from_numpy(np.roll(truth, 1, axis=0)).to(device)
        origins = np.zeros((NUM_ORIGINS, 3))
        origins[:, 0] = np.linspace(-30, 30, NUM_ORIGINS)
        origins[:, 1] = rng.uniform(-1, 1, NUM_ORIGINS)
        origins[:, 2] = 1.84
        items.append((pred, truth, origins))
    # Counts come back to the host, so a GPU has finished by then.
    return median_ms(ray_counts, items, repeats)


def planning_rows(repeats: int, seed: int) -> dict[str, dict]:
    samples = [traffic_sample(seed + number) for number in range(NUM_PLANS)]
    bare = [replace(s, drivable=None, boundary=None) for s in samples]
    rows = {}
    for name, preset in PRESETS.items():
        rows[name] = median_ms(
            tally_plan, [(s, preset) for s in bare], repeats
        )
        if preset.boundary is not None:
            rows[f'{name} with a map'] = median_ms(
                tally_plan, [(s, preset) for s in samples], repeats
            )
    return rows


def write_frames(folder: Path, frames: int, seed: int) -> list[Path]:
    """Write predictions and ground truth, in opposite orders of frames."""
    grids = [street_scene(seed + number) for number in range(NUM_FRAMES)]
    paths = []
    for side, order in (('pred', -1), ('truth', 1)):
        paths.append(folder / f'{side}{frames}.npz')
        with GridFileWriter(paths[-1]) as writer:
            for number in range(frames)[::order]:
                writer.add(f't{number}', grids[number % NUM_FRAMES])
    return paths


def resident_mib(field: str) -> float:
    """Return ``VmRSS`` (now) or ``VmHWM`` (the peak) of this process."""
    for line in Path('/proc/self/status').read_text().splitlines():
        if line.startswith(f'{field}:'):
            return int(line.split()[1]) / 1024
    raise RuntimeError(f'/proc/self/status has no {field}')


def peak_growth(paths: Sequence[Path], warm_up: Sequence[Path]) -> float:
    """Return the MiB that evaluating files adds, in a fresh process."""
    TASKS['occ'].evaluate(*warm_up)  # compiles
    Path('/proc/self/clear_refs').write_text('5')  # forgets the peak so far
    before = resident_mib('VmRSS')
    TASKS['occ'].evaluate(*paths)
    return resident_mib('VmHWM') - before


def memory_rows(seed: int) -> dict[str, float]:
    """Measure the memory of evaluating short and long files."""
    rows = {}
    with tempfile.TemporaryDirectory() as folder:
        warm_up = write_frames(Path(folder), WARM_UP, seed)
        for frames in (FEW, MANY):
            paths = write_frames(Path(folder), frames, seed)
            rows[f'{frames} frames'] = run_in_process(
                peak_growth, paths, warm_up
            )
    return rows


def measure(args: argparse.Namespace) -> dict:
    """Measure everything, and print it."""
    load, threads = os.getloadavg()[0], numba.get_num_threads()
    print(f'{threads} threads for rays on {args.device}; load {load:.1f}')
    print(f'{"":44}{"ms":>9}{"CPU ms":>9}')
    rows = {
        'mIoU, one frame in the camera mask': occ_row(args.repeats, args.seed),
        f'RayIoU, one frame, {NUM_ORIGINS} origins, {args.device}': (
            rayiou_row(args.repeats, args.seed, args.device)
        ),
    }
    for name, row in planning_rows(args.repeats, args.seed).items():
        rows[f'planning, {name}'] = row
    for name, row in rows.items():
        print(f'{name:44}{row["ms"]:9.3f}{row["cpu_ms"]:9.3f}')
    memory = memory_rows(args.seed)
    for name, value in memory.items():
        print(f'evaluating {name} adds {value:.1f} MiB')
    return dict(
        rows=rows,
        memory_mib=memory,
        threads=threads,
        device=args.device,
        load_before=load,
    )


def main() -> None:
    args = benchmark_parser(__doc__).parse_args()
    save_result(measure(args), args)


if __name__ == '__main__':
    main()
