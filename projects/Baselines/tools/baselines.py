"""Score the predictions that never look at an image, fitted on train only.

python tools/analysis_tools/baselines.py data/synthetic --out baselines.json
"""

import argparse
import json
from pathlib import Path

import numpy as np
from tqdm import tqdm

from mmocc.infos import load_info_file
from mmocc.projects.Baselines.baselines.simple_baselines import (
    FrameTruth,
    fit_baselines,
    score_baselines,
)
from mmocc.utils.atomic import atomic_open
from mmocc.utils.config import explained


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        'data_root', type=Path, metavar='DATA_ROOT', help='data root'
    )
    parser.add_argument(
        '--train',
        default='nuscenes_infos_occ_train.pkl',
        metavar='INFOS.pkl',
        help='info file to fit on, below the data root (default: %(default)s)',
    )
    parser.add_argument(
        '--val',
        default='nuscenes_infos_occ_val.pkl',
        metavar='INFOS.pkl',
        help='info file to score on, below the data root '
        '(default: %(default)s)',
    )
    parser.add_argument(
        '--out',
        type=Path,
        required=True,
        metavar='FILE.json',
        help='write the scores here',
    )
    return parser.parse_args()


def read_frames(data_root: Path, info_file: str) -> list[FrameTruth]:
    """The ground truth of an info file; labels are read when asked for."""

    def load_label(occ_path: str) -> dict[str, np.ndarray]:
        with np.load(data_root / occ_path, allow_pickle=False) as arrays:
            return {name: arrays[name] for name in arrays.files}

    infos = load_info_file(data_root / info_file)['data_list']
    return [
        FrameTruth.from_info(info, load_label)
        for info in tqdm(infos, desc=info_file, ncols=79)
    ]


def main() -> None:
    args = parse_args()
    with explained():
        baselines = fit_baselines(read_frames(args.data_root, args.train))
        scores = score_baselines(
            baselines, read_frames(args.data_root, args.val)
        )
    report = dict(
        majority_meta_action=str(baselines.meta_action),
        majority_answers=dict(baselines.answer_of_type),
        scores={name: float(value) for name, value in scores.items()},
    )
    with atomic_open(args.out, 'w') as file:
        json.dump(report, file, indent=2)


if __name__ == '__main__':
    main()
