#!/usr/bin/env python
"""Draw the ground truth of a data set as the config's pipeline loads it.

    python tools/misc/browse_dataset.py CONFIG --out work_dirs/look --num 20
    python tools/misc/browse_dataset.py CONFIG --out DIR --scene scene-0103 \\
        --video --ply

Neither a display nor a GPU is needed. Images are drawn at their own size;
random transforms of the pipeline are left out, so that boxes and maps fit.
"""

import argparse
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from mmocc.utils.config import ConfigError, explained, load_config
from mmocc.utils.overrides import Overrides

EPILOG = """
written to --out: SCENE_FRAME_TOKEN.png, one page a frame: cameras with boxes
  and the driven path, occupancy in the cameras, in 3D and from above, future
  occupancy, the driven path with map and agents, questions and answers. Data
  that the pipeline does not load, and labels that a frame does not have, such
  as Occ3D's, are left out.

A frame that cannot be read is skipped with a warning.
MMOCC_TRACEBACK=1 shows where an error was raised.
"""
# Prefix of the names of random transforms.
RANDOM = 'Random'


def parse_args(argv: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument('config', help='config file')
    parser.add_argument(
        '--out',
        required=True,
        type=Path,
        metavar='DIR',
        help='folder of the pictures',
    )
    parser.add_argument(
        '--split',
        choices=['train', 'val', 'test'],
        default='val',
        help='loader of the config (default: val)',
    )
    parser.add_argument(
        '--scene', metavar='NAME', help='draw this scene only (default: all)'
    )
    for name, default, text in (
        ('--start', 0, 'first frame (default: 0)'),
        ('--num', None, 'number of frames (default: all)'),
        ('--every', 1, 'step between frames (default: 1)'),
    ):
        parser.add_argument(
            name, type=int, default=default, metavar='N', help=text
        )
    for name, text in (
        ('--video', 'write scene.mp4 and scene.gif too'),
        ('--ply', 'write occupancy as PLY files too'),
        ('--rrd', 'write scene.rrd for Rerun too'),
        ('--show', 'open a window of open3d for each frame'),
    ):
        parser.add_argument(name, action='store_true', help=text)
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


def build_dataset(cfg, split: str):
    """Build the data set of a loader for drawing.

    Random transforms are left out, and labels become optional.

    Args:
        cfg (Config): A whole config.
        split (str): 'train', 'val' or 'test'.

    Returns:
        NuScenesOccDataset: The data set.

    Raises:
        ConfigError: If there is no such loader, or it has another data set.
    """
    from mmengine.registry import init_default_scope

    from mmocc.apis.pipeline import OptionalLoader
    from mmocc.datasets import NuScenesOccDataset
    from mmocc.registry import DATASETS

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
    wanted = config.get('filter_cfg', {}).get('require', ())
    config.filter_cfg = dict(
        require=[part for part in wanted if part != 'occ']
    )
    dataset = DATASETS.build(config)
    if not isinstance(dataset, NuScenesOccDataset):
        raise ConfigError(
            f'{split}_dataloader.dataset is a {type(dataset).__name__}, '
            'expected a NuScenesOccDataset'
        )
    OptionalLoader.wrap(dataset.pipeline.transforms)
    return dataset


def choose_frames(dataset, args: argparse.Namespace) -> dict[str, int]:
    """Choose the positions of the frames to draw, by their file names.

    Raises:
        ConfigError: If the arguments leave no frame.
    """
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


def read_picture(dataset, index: int, show: bool = False):
    """Read the ground truth of a frame as a ``FramePicture``."""
    from mmocc.apis import load_images
    from mmocc.datasets.transforms.load_history_images import AGE
    from mmocc.visualization import FramePicture, info_overlays, show_frame

    sample = dataset[index]['data_samples']
    info = dataset.get_data_info(index)
    names = sample.metainfo.get('cam_names', ())
    picture = FramePicture.from_sample(
        sample,
        load_images(info, [name for name in names if AGE not in name]),
        draw_pred=False,
        overlays=info_overlays(info, dataset.data_root),
    )
    if show:
        show_frame(picture)
    return picture


def main(argv: Sequence[str] | None = None) -> None:
    args = parse_args(argv)
    with explained():
        cfg = load_config(args.config, args.cfg_options)
    with explained(cfg):
        from mmocc.apis.frame_export import require_viewers
        from mmocc.visualization import export_frames

        require_viewers(args.rrd, args.show)
        dataset = build_dataset(cfg, args.split)
        frames = {
            name: partial(read_picture, dataset, index, args.show)
            for name, index in choose_frames(dataset, args).items()
        }
        export = export_frames(
            frames, args.out, args.video, args.ply, args.rrd
        )
    skipped = f', {len(export.skipped)} skipped' if export.skipped else ''
    print(f'{len(export.drawn)} frames drawn{skipped}: {args.out}')


if __name__ == '__main__':
    main()
