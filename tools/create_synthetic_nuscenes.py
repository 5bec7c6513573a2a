"""Write a synthetic data set in the formats of nuScenes, Occ3D and others.

python tools/create_synthetic_nuscenes.py --preset mini --out data/synth
"""

import argparse
import os
import sys
from pathlib import Path

from tqdm import tqdm

from mmocc.synthetic.presets import PRESETS
from mmocc.synthetic.writer import OutputFolderError, create_dataset


def parse_args() -> argparse.Namespace:
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
    args = parser.parse_args()
    if args.workers < 1:
        parser.error(f'--workers must be 1 or more, got {args.workers}')
    if args.seed < 0:
        parser.error(f'--seed must be 0 or more, got {args.seed}')
    return args


def main() -> None:
    """Make the data set."""
    args = parse_args()
    preset = PRESETS[args.preset]
    total = len(preset.scenes) * preset.frames
    try:
        with tqdm(total=total, unit='frame', desc=preset.name) as bar:
            create_dataset(
                preset, args.out, args.seed, args.workers, bar.update
            )
    except OutputFolderError as error:
        sys.exit(f'error: {error}')
    print(f'wrote {args.out} ({preset.name}, seed {args.seed})')


if __name__ == '__main__':
    main()
