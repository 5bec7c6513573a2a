"""What a frame costs to evaluate, and what many frames hold in memory."""

import argparse
import multiprocessing
import os
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
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
from mmocc.structures import FREE, OCC3D_CLASSES, OccGrid

# Milliseconds: of a frame, of a frame with 8 origins, of a plan and preset.
BUDGET_MS = {'occ': 15.0, 'rayiou': 2000.0, 'planning': 2.0}
GPU_RAYIOU_MS = 50.0
NUM_FRAMES = 4
NUM_ORIGINS = 8
NUM_PLANS = 50
NUM_AGENTS = 60
# Frames of the evaluations whose memory is compared.
WARM_UP, FEW, MANY = 2, 40, 200
ROAD = OCC3D_CLASSES.index('driveable_surface')


def street_scene(seed: int) -> np.ndarray:
    """A ground, and 60 boxes of all classes on it: (200, 200, 16) uint8."""
    rng = np.random.default_rng(seed)
    shape = OccGrid().shape
    scene = np.full(shape, FREE, dtype=np.uint8)
    scene[:, :, :2] = ROAD
    for _ in range(60):
        x, y = rng.integers(0, (shape[0] - 20, shape[1] - 20))
        size = rng.integers(2, (20, 20, 12))
        scene[x : x + size[0], y : y + size[1], 2 : 2 + size[2]] = (
            rng.integers(0, FREE)
        )
    return scene


def traffic_sample(seed: int) -> PlanSample:
    """A plan among 60 agents, with 8 areas and 40 boundary lines."""
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


def timed(
    call: Callable[..., object], items: Sequence[tuple], repeats: int
) -> dict:
    """Median milliseconds of a call, by the clock and of all cores."""
    call(*items[0])  # compiles
    wall, busy = [], []
    for _ in range(repeats):
        for item in items:
            start = time.perf_counter(), time.process_time()
            call(*item)
            wall.append(1000 * (time.perf_counter() - start[0]))
            busy.append(1000 * (time.process_time() - start[1]))
    return dict(
        ms=statistics.median(wall),
        cpu_ms=statistics.median(busy),
        calls=len(wall),
    )


def occ_row(repeats: int, seed: int) -> dict:
    rng = np.random.default_rng(seed)
    items = []
    for frame in range(NUM_FRAMES):
        truth = street_scene(seed + frame)
        mask = rng.random(truth.shape) < 0.3
        items.append((np.roll(truth, 1, axis=0), truth, mask))
    return timed(occ_histogram, items, repeats)


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
    return timed(ray_counts, items, repeats)


def planning_rows(repeats: int, seed: int) -> dict[str, dict]:
    samples = [traffic_sample(seed + number) for number in range(NUM_PLANS)]
    bare = [replace(s, drivable=None, boundary=None) for s in samples]
    rows = {}
    for name, preset in PRESETS.items():
        rows[name] = timed(tally_plan, [(s, preset) for s in bare], repeats)
        if preset.boundary is not None:
            rows[f'{name} with a map'] = timed(
                tally_plan, [(s, preset) for s in samples], repeats
            )
    return rows


def write_frames(folder: Path, frames: int, seed: int) -> list[Path]:
    """A prediction and a ground truth, in opposite orders of frames."""
    grids = [street_scene(seed + number) for number in range(NUM_FRAMES)]
    paths = []
    for side, order in (('pred', -1), ('truth', 1)):
        paths.append(folder / f'{side}{frames}.npz')
        with GridFileWriter(paths[-1]) as writer:
            for number in range(frames)[::order]:
                writer.add(f't{number}', grids[number % NUM_FRAMES])
    return paths


def resident_mib(field: str) -> float:
    """``VmRSS`` (now) or ``VmHWM`` (the most so far) of this process."""
    for line in Path('/proc/self/status').read_text().splitlines():
        if line.startswith(f'{field}:'):
            return int(line.split()[1]) / 1024
    raise RuntimeError(f'/proc/self/status has no {field}')


def peak_growth(paths: Sequence[Path], warm_up: Sequence[Path]) -> float:
    """MiB that evaluating ``paths`` adds at most; in a process of its own."""
    TASKS['occ'].evaluate(*warm_up)  # compiles
    Path('/proc/self/clear_refs').write_text('5')  # forgets the peak so far
    before = resident_mib('VmRSS')
    TASKS['occ'].evaluate(*paths)
    return resident_mib('VmHWM') - before


def memory_rows(seed: int) -> dict[str, float]:
    """What evaluating files adds to a process that has done it before."""
    context = multiprocessing.get_context('spawn')
    rows = {}
    with tempfile.TemporaryDirectory() as folder:
        warm_up = write_frames(Path(folder), WARM_UP, seed)
        for frames in (FEW, MANY):
            paths = write_frames(Path(folder), frames, seed)
            with context.Pool(1) as pool:
                rows[f'{frames} frames'] = pool.apply(
                    peak_growth, (paths, warm_up)
                )
    return rows


def evaluation(args: argparse.Namespace) -> dict:
    """Measure, print, and compare with the budgets."""
    load = os.getloadavg()[0]
    gpu = args.device != 'cpu'
    limit = GPU_RAYIOU_MS if gpu else BUDGET_MS['rayiou']
    rows = {
        'mIoU, one frame in the camera mask': (
            occ_row(args.repeats, args.seed),
            BUDGET_MS['occ'],
        ),
        f'RayIoU, one frame, {NUM_ORIGINS} origins, {args.device}': (
            rayiou_row(args.repeats, args.seed, args.device),
            limit,
        ),
    }
    for name, row in planning_rows(args.repeats, args.seed).items():
        rows[f'planning, {name}'] = row, BUDGET_MS['planning']
    threads = numba.get_num_threads()
    print(f'{threads} threads for rays on {args.device}; load {load:.1f}')
    print(f'{"":44}{"ms":>9}{"CPU ms":>9}{"budget":>9}')
    report = {}
    for name, (row, budget) in rows.items():
        within = row['ms'] <= budget
        report[name] = row | dict(budget_ms=budget, within=within)
        print(
            f'{name:44}{row["ms"]:9.3f}{row["cpu_ms"]:9.3f}{budget:9.0f}'
            f'{"" if within else "  MISSED"}'
        )
    memory = memory_rows(args.seed)
    for name, value in memory.items():
        print(f'evaluating {name} adds {value:.1f} MiB')
    return dict(
        rows=report,
        memory_mib=memory,
        threads=threads,
        device=args.device,
        load_before=load,
    )
