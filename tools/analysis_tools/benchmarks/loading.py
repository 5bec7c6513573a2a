"""What it costs to read images, and whether training has to wait for them."""

import argparse
import math
import statistics
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from mmengine.config import Config
from mmengine.optim import build_optim_wrapper
from mmengine.registry import init_default_scope
from mmengine.runner import Runner
from PIL import Image
from torch.utils.data import DataLoader

from mmocc.datasets.transforms import LoadSurroundImages
from mmocc.registry import MODELS
from mmocc.utils.config import load_config

# OccVLA's input; SparseOccVLA's is 256 x 704.
IMAGE_SIZE = (224, 224)
WARM_UP = 2  # batches that are not counted


def frame_of(images: list[Path]) -> dict:
    """A frame of these images; their calibration does not matter here."""
    names = [f'camera {number}' for number in range(len(images))]
    return dict(
        token='benchmark',
        images={
            name: dict(
                img_path=str(path), cam2img=np.eye(3), lidar2cam=np.eye(4)
            )
            for name, path in zip(names, images, strict=True)
        },
    )


def decoding(images: list[Path], repeats: int) -> dict:
    """Images at the model's size: by full decoding, and shrunk on the way."""
    frame = frame_of(images)
    rows, pixels = {}, {}
    for title, oversampling in (('in full', math.inf), ('reduced', 2.0)):
        load = LoadSurroundImages(
            tuple(frame['images']), IMAGE_SIZE, oversampling
        )
        times = []
        for _ in range(repeats + 1):  # the first one warms up
            start = time.process_time()
            pixels[title] = load(dict(frame))['img']
            times.append(1000 * (time.process_time() - start))
        rows[title] = dict(cpu_ms=statistics.median(times[1:]))
    difference = np.abs(
        np.stack(pixels['in full']).astype(int) - np.stack(pixels['reduced'])
    )
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
    """Batches, epoch after epoch."""
    while True:
        yield from loader


def train_loader(cfg: Config, workers: int, seed: int) -> DataLoader:
    """The config's own loader with that many processes."""
    options = dict(
        cfg.train_dataloader,
        num_workers=workers,
        persistent_workers=workers > 0,
    )
    return Runner.build_dataloader(options, seed=seed)


def reading(cfg: Config, workers: int, batches: int, seed: int) -> dict:
    """Samples a second when nobody uses them."""
    stream = endless(train_loader(cfg, workers, seed))
    for _ in range(WARM_UP):
        next(stream)
    start, samples = time.perf_counter(), 0
    for _ in range(batches):
        samples += len(next(stream)['data_samples'])
    return dict(
        workers=workers,
        samples_per_s=samples / (time.perf_counter() - start),
    )


def training(cfg: Config, workers: int, batches: int, seed: int) -> dict:
    """The share of the time that training waits for data."""
    torch.manual_seed(seed)
    model = MODELS.build(cfg.model).train()
    optimizer = build_optim_wrapper(model, cfg.optim_wrapper)
    stream = endless(train_loader(cfg, workers, seed))
    waited = worked = 0.0
    for number in range(WARM_UP + batches):
        start = time.perf_counter()
        batch = next(stream)
        ready = time.perf_counter()
        model.train_step(batch, optimizer)
        done = time.perf_counter()
        if number >= WARM_UP:
            waited += ready - start
            worked += done - ready
    return dict(
        workers=workers,
        seconds_per_batch=(waited + worked) / batches,
        waiting_share=waited / (waited + worked),
    )


def loading(args: argparse.Namespace) -> dict:
    """Measure and print."""
    cfg = load_config(args.config, args.cfg_options)
    init_default_scope(cfg.default_scope)
    if args.data_root is not None:
        cfg.train_dataloader.dataset.data_root = f'{args.data_root}/'
    result = {}
    if args.images:
        result['decoding'] = found = decoding(args.images, args.repeats)
        width, height = found['on_disk']
        print(
            f'{found["images"]} images of {width} x {height} to '
            f'{IMAGE_SIZE[1]} x {IMAGE_SIZE[0]}, one core'
        )
        for title, row in found['rows'].items():
            print(f'  {title:8}{row["cpu_ms"]:8.1f} ms')
        print(
            f'  ratio {found["ratio"]:.2f}; pixels differ by '
            f'{found["mean_difference"]:.2f} of 255 on average, by '
            f'{found["largest_difference"]} at most'
        )
    result['reading'] = [
        reading(cfg, workers, args.batches, args.seed)
        for workers in args.workers
    ]
    result['training'] = [
        training(cfg, workers, args.batches, args.seed)
        for workers in args.workers
    ]
    print(f'{args.config}, batches of {cfg.train_dataloader.batch_size}')
    print(f'{"workers":>8}{"samples/s":>11}{"s/batch":>9}{"waiting":>9}')
    for read, trained in zip(
        result['reading'], result['training'], strict=True
    ):
        print(
            f'{read["workers"]:8}{read["samples_per_s"]:11.1f}'
            f'{trained["seconds_per_batch"]:9.2f}'
            f'{trained["waiting_share"]:9.1%}'
        )
    return dict(config=args.config, **result)
