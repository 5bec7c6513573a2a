"""Write a synthetic data set in the formats of nuScenes, Occ3D and others.

python tools/create_synthetic_nuscenes.py --preset mini --out data/synth
"""

import argparse
import os
import sys
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

from tqdm import tqdm

from mmocc.projects.SyntheticNuScenes.synthetic.presets import PRESETS, Preset
from mmocc.projects.SyntheticNuScenes.synthetic.writer import (
    OutputFolderError,
    create_dataset,
)
from mmocc.projects.SyntheticNuScenes.tools.frame_labels import label_frames


def parse_args(argv: Sequence[str] | None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument('--preset', choices=sorted(PRESETS), default='mini')
    parser.add_argument(
        '--out', type=Path, required=True, help='new data root'
    )
    parser.add_argument('--seed', type=int, default=0)
    parser.add_argument(
        '--workers',
        type=int,
        default=os.cpu_count() or 1,
        help='processes; does not change the result',
    )
    part = parser.add_argument_group('less or more than the preset')
    part.add_argument('--train-scenes', type=int, help='first ones only')
    part.add_argument('--val-scenes', type=int, help='first ones only')
    part.add_argument('--frames', type=int, help='key frames of a scene')
    part.add_argument(
        '--lidar-sweeps', type=int, help='LiDAR sweeps between key frames'
    )
    part.add_argument(
        '--camera-sweeps', type=int, help='images between key frames'
    )
    part.add_argument(
        '--camera-offsets',
        action=argparse.BooleanOptionalAction,
        help='expose cameras up to 43 ms before the LiDAR, as nuScenes does',
    )
    args = parser.parse_args(argv)
    if args.workers < 1:
        parser.error(f'--workers must be 1 or more, got {args.workers}')
    if args.seed < 0:
        parser.error(f'--seed must be 0 or more, got {args.seed}')
    try:
        args.preset = chosen_preset(args)
    except ValueError as error:
        parser.error(str(error))
    return args


def chosen_preset(args: argparse.Namespace) -> Preset:
    """The preset with what the command line changes.

    Raises:
        ValueError: Nothing, or more than there is, was asked for.
    """
    preset = PRESETS[args.preset]
    changes: dict[str, object] = {
        name: getattr(args, name)
        for name in (
            'frames',
            'lidar_sweeps',
            'camera_sweeps',
            'camera_offsets',
        )
        if getattr(args, name) is not None
    }
    for split in ('train', 'val'):
        count = getattr(args, f'{split}_scenes')
        scenes = getattr(preset, split)
        if count is None:
            continue
        if not 1 <= count <= len(scenes):
            raise ValueError(
                f'--{split}-scenes must be 1 to {len(scenes)} for the preset '
                f'{preset.name}, got {count}'
            )
        changes[split] = scenes[:count]
    return replace(preset, **changes)


def main(argv: Sequence[str] | None = None) -> None:
    """Make the data set."""
    args = parse_args(argv)
    preset = args.preset
    total = len(preset.scenes) * preset.frames
    try:
        with tqdm(total=total, unit='frame', desc=preset.name) as bar:
            create_dataset(
                preset,
                args.out,
                args.seed,
                args.workers,
                partial(label_frames, version=preset.version),
                bar.update,
            )
    except OutputFolderError as error:
        sys.exit(f'error: {error}')
    except OSError as error:
        sys.exit(
            f'error: {error}; finished scenes are kept beside {args.out}: '
            'run the same command again to go on'
        )
    print(f'wrote {args.out} ({preset.name}, seed {args.seed})')


if __name__ == '__main__':
    main()
