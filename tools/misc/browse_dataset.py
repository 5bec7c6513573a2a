#!/usr/bin/env python
"""Look at the ground truth of a data set, as the config's pipeline gives it.

    python tools/misc/browse_dataset.py CONFIG --out work_dirs/look --num 20
    python tools/misc/browse_dataset.py CONFIG --out DIR --scene scene-0103 \\
        --video --ply

Neither a display nor a GPU is needed. Images are drawn at their own size;
random transforms of the pipeline are left out, so that boxes and maps fit.
"""

import argparse
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from mmengine.config import Config
from mmengine.registry import init_default_scope

from mmocc.apis import read_views
from mmocc.datasets import NuScenesOccDataset
from mmocc.datasets.transforms.load_history_images import AGE
from mmocc.registry import DATASETS
from mmocc.utils.config import ConfigError, explained, load_config
from mmocc.utils.overrides import Overrides
from mmocc.visualization import (
    FramePicture,
    export_frames,
    info_overlays,
    show_frame,
)

EPILOG = """
written to --out: SCENE_FRAME_TOKEN.png, one page a frame: cameras with boxes
  and the driven path, occupancy in the cameras, in 3D and from above, what is
  to come, the driven path among map and agents, questions and answers. What
  the pipeline does not load is left out.

A frame that cannot be read is skipped with a warning.
MMOCC_TRACEBACK=1 shows where an error was raised.
"""
# How the names of transforms begin that draw at random.
RANDOM = 'Random'


def parse_args(argv: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument('config', help='config file')
    parser.add_argument(
        '--out', required=True, type=Path, metavar='DIR', help='for pictures'
    )
    parser.add_argument(
        '--split',
        choices=['train', 'val', 'test'],
        default='val',
        help='whose loader of the config (default: val)',
    )
    parser.add_argument('--scene', metavar='NAME', help='of this scene only')
    parser.add_argument(
        '--start', type=int, default=0, help='first frame (default: 0)'
    )
    parser.add_argument(
        '--num', type=int, help='how many frames (default: all)'
    )
    parser.add_argument(
        '--every', type=int, default=1, help='every N-th frame (default: 1)'
    )
    parser.add_argument(
        '--video', action='store_true', help='scene.mp4 and scene.gif too'
    )
    parser.add_argument(
        '--ply', action='store_true', help='occupancy as PLY files too'
    )
    parser.add_argument(
        '--rrd', action='store_true', help='scene.rrd for Rerun too'
    )
    parser.add_argument(
        '--show', action='store_true', help='open a window of open3d each'
    )
    parser.add_argument(
        '--cfg-options',
        nargs='+',
        action=Overrides,
        metavar='KEY=VALUE',
        help='override config keys',
    )
    args = parser.parse_args(argv)
    for name, value in (('--num', args.num), ('--every', args.every)):
        if value is not None and value < 1:
            parser.error(f'{name} is {value}, expected 1 or more')
    return args


def build_dataset(cfg: Config, split: str) -> NuScenesOccDataset:
    """The data set of a loader, without random transforms."""
    init_default_scope(cfg.default_scope)
    loader = cfg.get(f'{split}_dataloader')
    if loader is None:
        raise ConfigError(
            f'{cfg.filename} has no {split}_dataloader; choose another --split'
        )
    config = loader.dataset
    config.pipeline = [
        each
        for each in config.get('pipeline', ())
        if not each['type'].startswith(RANDOM)
    ]
    dataset = DATASETS.build(config)
    if not isinstance(dataset, NuScenesOccDataset):
        raise ConfigError(
            f'{split}_dataloader.dataset is a {type(dataset).__name__}, '
            'expected a NuScenesOccDataset'
        )
    return dataset


def choose_frames(
    dataset: NuScenesOccDataset, args: argparse.Namespace
) -> dict[str, int]:
    """Indices of the frames to draw, by the names of their files."""
    names = {}
    for index in range(len(dataset)):
        info = dataset.get_data_info(index)
        scene = info.get('scene_name', '')
        if args.scene is None or scene == args.scene:
            number = f'{info.get("frame_idx", index):03d}'
            parts = [scene, number, info['token']]
            names['_'.join(part for part in parts if part)] = index
    if not names:
        raise ConfigError(
            f'{dataset.ann_file} has no frame of the scene {args.scene!r}; '
            'correct --scene'
        )
    chosen = list(names.items())[args.start :: args.every][: args.num]
    if not chosen:
        raise ConfigError(
            f'there are {len(names)} frames, none from --start {args.start} on'
        )
    return dict(chosen)


def read_truth(dataset: NuScenesOccDataset, index: int) -> FramePicture:
    """What a data set knows about a frame."""
    sample = dataset[index]['data_samples']
    info = dataset.get_data_info(index)
    cameras = [
        name
        for name in sample.metainfo.get('cam_names', ())
        if AGE not in name
    ]
    return FramePicture.from_sample(
        sample,
        read_views(info, cameras),
        draw_pred=False,
        overlays=info_overlays(info, dataset.data_root),
    )


def shown(read: Callable[[], FramePicture]) -> FramePicture:
    """Read a frame and open a window of it."""
    frame = read()
    show_frame(frame)
    return frame


def main(argv: Sequence[str] | None = None) -> None:
    args = parse_args(argv)
    with explained():
        cfg = load_config(args.config, args.cfg_options)
    with explained(cfg):
        dataset = build_dataset(cfg, args.split)
        frames = {
            name: partial(read_truth, dataset, index)
            for name, index in choose_frames(dataset, args).items()
        }
        if args.show:
            frames = {name: partial(shown, frames[name]) for name in frames}
        export = export_frames(
            frames, args.out, args.video, args.ply, args.rrd
        )
    skipped = f', {len(export.skipped)} skipped' if export.skipped else ''
    print(f'{len(export.drawn)} frames drawn{skipped}: {args.out}')


if __name__ == '__main__':
    main()
