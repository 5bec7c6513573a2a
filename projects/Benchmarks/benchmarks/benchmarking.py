"""What the benchmarks share: options, clocks, memory, a scene, the result."""

import argparse
import multiprocessing
import resource
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import torch
from mmengine.config import Config
from mmengine.registry import init_default_scope

from mmocc.structures import FREE, OCC3D_CLASSES, OccGrid
from mmocc.utils.config import load_config
from mmocc.utils.env import environment_report
from mmocc.utils.json_files import write_json
from mmocc.utils.overrides import Overrides

GIB = 2**30
ROAD = OCC3D_CLASSES.index('driveable_surface')
NUM_BOXES = 60


def benchmark_parser(description: str) -> argparse.ArgumentParser:
    """Make a parser with the options that all benchmarks have."""
    parser = argparse.ArgumentParser(
        description=description,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument('--repeats', type=int, default=3)
    parser.add_argument('--seed', type=int, default=0)
    parser.add_argument('--device', default='cpu')
    parser.add_argument('--out', type=Path, help='write a JSON file as well')
    return parser


def add_config_options(parser: argparse.ArgumentParser) -> None:
    """Add a config, a data root and changes to the config."""
    parser.add_argument('config')
    parser.add_argument('--data-root', help="instead of the config's")
    parser.add_argument('--cfg-options', nargs='+', action=Overrides)


def load_training_config(args: argparse.Namespace) -> Config:
    """Load the config of :func:`add_config_options` for its train loader."""
    cfg = load_config(args.config, args.cfg_options)
    init_default_scope(cfg.default_scope)
    if args.data_root is not None:
        cfg.train_dataloader.dataset.data_root = f'{args.data_root}/'
    return cfg


def save_result(result: dict[str, Any], args: argparse.Namespace) -> None:
    """Write a result with its command, seed and environment to ``--out``."""
    if args.out is not None:
        result = result | dict(
            command=' '.join(sys.argv),
            seed=args.seed,
            environment=environment_report(args.seed),
        )
        write_json(result, args.out, indent=2)


def run_in_process(function: Callable[..., Any], *args: object) -> Any:
    """Call a function in a fresh process, whose peak of memory is its own."""
    context = multiprocessing.get_context('spawn')
    with ProcessPoolExecutor(1, mp_context=context) as pool:
        return pool.submit(function, *args).result()


def peak_bytes(device: str) -> int:
    """Return the most memory that this process has held so far."""
    if device == 'cpu':
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    return torch.cuda.max_memory_allocated(device)


def synchronise(device: str) -> None:
    """Wait until a GPU has finished its work."""
    if device != 'cpu':
        torch.cuda.synchronize(device)


def median_seconds(
    call: Callable[[], object], device: str, repeats: int, warm_up: int = 1
) -> tuple[float, float]:
    """Return the median time of a call, by the clock and of all CPU cores.

    CPU seconds leave out time that other jobs had the cores for.

    Args:
        call (Callable): What is measured.
        device (str): Device that it runs on.
        repeats (int): Number of calls that count.
        warm_up (int): Calls before them. Defaults to 1.
    """
    wall, busy = [], []
    for _ in range(warm_up + repeats):
        synchronise(device)
        start = time.perf_counter(), time.process_time()
        call()
        synchronise(device)
        wall.append(time.perf_counter() - start[0])
        busy.append(time.process_time() - start[1])
    return statistics.median(wall[warm_up:]), statistics.median(busy[warm_up:])


def median_ms(
    call: Callable[..., object], items: Sequence[tuple], repeats: int
) -> dict[str, float]:
    """Return the median milliseconds of calls with each of some arguments.

    Args:
        call (Callable): What is measured; called once before.
        items (Sequence[tuple]): Arguments of the calls.
        repeats (int): How often all items are passed.

    Returns:
        dict: ``ms`` by the clock, ``cpu_ms`` of all cores, ``calls``.
    """
    call(*items[0])  # compiles
    times = [
        median_seconds(lambda item=item: call(*item), 'cpu', 1, warm_up=0)
        for _ in range(repeats)
        for item in items
    ]
    wall, busy = (
        statistics.median(column) for column in zip(*times, strict=True)
    )
    return dict(ms=1000 * wall, cpu_ms=1000 * busy, calls=len(times))


def street_scene(seed: int) -> np.ndarray:
    """Make a ground with boxes of all classes, (200, 200, 16) uint8."""
    rng = np.random.default_rng(seed)
    shape = OccGrid().shape
    scene = np.full(shape, FREE, dtype=np.uint8)
    scene[:, :, :2] = ROAD
    for _ in range(NUM_BOXES):
        x, y = rng.integers(0, (shape[0] - 20, shape[1] - 20))
        size = rng.integers(2, (20, 20, 12))
        scene[x : x + size[0], y : y + size[1], 2 : 2 + size[2]] = (
            rng.integers(0, FREE)
        )
    return scene
