"""Measure how images are read, and how long training waits for them.

    python projects/Benchmarks/tools/benchmark_loading.py CONFIG --images *.jpg

Decodes images to 224 x 224, in full and shrunk on the way, reads samples
through the config's own loader, and trains the config's model (random weights)
to see for which share of the time it waits for data.
"""

import math
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from mmengine.config import Config
from mmengine.optim import build_optim_wrapper
from mmengine.runner import Runner
from PIL import Image
from torch.utils.data import DataLoader

from mmocc.datasets.transforms import LoadSurroundImages
from mmocc.projects.Benchmarks.benchmarks.benchmarking import (
    add_config_options,
    benchmark_parser,
    load_training_config,
    median_ms,
    save_result,
)
from mmocc.registry import MODELS

# OccVLA's input; SparseOccVLA's is 256 x 704.
IMAGE_SIZE = (224, 224)
WARM_UP = 2  # batches that are not counted


def any_lens(path: Path) -> np.ndarray:
    """Make intrinsics (3, 3) that suit an image; nothing here depends on it.

    Args:
        path (Path): The image.
    """
    with Image.open(path) as image:
        width, height = image.size
    return np.array([[width, 0, width / 2], [0, width, height / 2], [0, 0, 1]])


def measure_decoding(images: list[Path], repeats: int) -> dict:
    """Measure full decoding against decoding that shrinks on the way."""
    frame = dict(
        token='benchmark',
        images={
            f'camera {number}': dict(
                img_path=str(path),
                cam2img=any_lens(path),
                lidar2cam=np.eye(4),
            )
            for number, path in enumerate(images)
        },
    )
    rows, pixels = {}, {}
    for title, oversampling in (('in full', math.inf), ('reduced', 2.0)):
        load = LoadSurroundImages(
            tuple(frame['images']), IMAGE_SIZE, oversampling
        )
        rows[title] = median_ms(load, [(dict(frame),)], repeats)
        pixels[title] = np.stack(load(dict(frame))['img']).astype(int)
    difference = np.abs(pixels['in full'] - pixels['reduced'])
    with Image.open(images[0]) as image:
        on_disk = image.size
    return dict(
        images=len(images),
        on_disk=on_disk,
        size=IMAGE_SIZE,
        rows=rows,
        ratio=rows['reduced']['cpu_ms'] / rows['in full']['cpu_ms'],
        mean_difference=float(difference.mean()),
        largest_difference=int(difference.max()),
    )


def endless(loader: DataLoader) -> Iterator[dict]:
    """Yield batches, epoch after epoch."""
    while True:
        yield from loader


def train_stream(cfg: Config, workers: int, seed: int) -> Iterator[dict]:
    """Yield batches of the config's own loader with a number of processes."""
    options = dict(
        cfg.train_dataloader,
        num_workers=workers,
        persistent_workers=workers > 0,
    )
    return endless(Runner.build_dataloader(options, seed=seed))


def measure_reading(
    cfg: Config, workers: int, batches: int, seed: int
) -> dict:
    """Measure the samples per second of the loader alone."""
    stream = train_stream(cfg, workers, seed)
    for _ in range(WARM_UP):
        next(stream)
    start, samples = time.perf_counter(), 0
    for _ in range(batches):
        samples += len(next(stream)['data_samples'])
    seconds = time.perf_counter() - start
    return dict(workers=workers, samples_per_s=samples / seconds)


def measure_waiting(
    cfg: Config, workers: int, batches: int, seed: int
) -> dict:
    """Measure the share of the time that training waits for data."""
    torch.manual_seed(seed)
    model = MODELS.build(cfg.model).train()
    optimizer = build_optim_wrapper(model, cfg.optim_wrapper)
    stream = train_stream(cfg, workers, seed)
    waited = worked = 0.0
    for number in range(WARM_UP + batches):
        start = time.perf_counter()
        batch = next(stream)
        ready = time.perf_counter()
        model.train_step(batch, optimizer)
        if number >= WARM_UP:
            waited += ready - start
            worked += time.perf_counter() - ready
    return dict(
        workers=workers,
        seconds_per_batch=(waited + worked) / batches,
        waiting_share=waited / (waited + worked),
    )


def main() -> None:
    parser = benchmark_parser(__doc__)
    add_config_options(parser)
    parser.add_argument('--images', type=Path, nargs='+', default=[])
    parser.add_argument('--workers', type=int, nargs='+', default=[0, 1])
    parser.add_argument('--batches', type=int, default=20)
    args = parser.parse_args()
    cfg = load_training_config(args)
    result = dict(config=args.config, reading=[], training=[])
    if args.images:
        result['decoding'] = found = measure_decoding(
            args.images, args.repeats
        )
        print(f'{found["images"]} images to {IMAGE_SIZE}, one core')
        for title, row in found['rows'].items():
            print(f'  {title:8}{row["cpu_ms"]:8.1f} ms')
        print(
            f'  ratio {found["ratio"]:.2f}; pixels differ by '
            f'{found["mean_difference"]:.2f} of 255 on average, by '
            f'{found["largest_difference"]} at most'
        )
    print(f'{args.config}, batches of {cfg.train_dataloader.batch_size}')
    print(f'{"workers":>8}{"samples/s":>11}{"s/batch":>9}{"waiting":>9}')
    for workers in args.workers:
        options = cfg, workers, args.batches, args.seed
        read, trained = measure_reading(*options), measure_waiting(*options)
        result['reading'].append(read)
        result['training'].append(trained)
        print(
            f'{workers:8}{read["samples_per_s"]:11.1f}'
            f'{trained["seconds_per_batch"]:9.2f}'
            f'{trained["waiting_share"]:9.1%}'
        )
    save_result(result, args)


if __name__ == '__main__':
    main()
