"""Turn a data set on disk into the info files that configs read.

python tools/create_data.py nuscenes --root data/nuscenes \
    --version v1.0-trainval --occ3d --qa --can-bus --workers 8
"""

import argparse
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

from tqdm import tqdm

from dataset_converters.nuscenes_converter import (
    SPLITS,
    ConvertOptions,
    SplitReport,
    convert_nuscenes,
)
from dataset_converters.nuscenes_tables import TableError
from mmocc.annotation import MapError


def parse_args(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__.splitlines()[0],
        epilog=__doc__.split('\n\n')[1],
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    datasets = parser.add_subparsers(dest='dataset', required=True)
    nuscenes = datasets.add_parser(
        'nuscenes', help='write nuscenes_infos_occ_{train,val}.pkl'
    )
    nuscenes.add_argument(
        '--root', type=Path, required=True, help='the nuScenes data root'
    )
    nuscenes.add_argument(
        '--version', required=True, choices=list(SPLITS), help='table folder'
    )
    nuscenes.add_argument(
        '--occ3d',
        action='store_true',
        help='check that each frame has its Occ3D label under gts/',
    )
    nuscenes.add_argument(
        '--qa', action='store_true', help='join the questions of NuScenes-QA'
    )
    nuscenes.add_argument(
        '--can-bus',
        action='store_true',
        help='ego status from the CAN bus expansion, not from poses alone',
    )
    nuscenes.add_argument(
        '--workers', type=int, default=1, help='processes (default: 1)'
    )
    nuscenes.add_argument(
        '--out', type=Path, help='folder of the info files (default: root)'
    )
    return parser.parse_args(argv)


def show_progress(results: Iterable, total: int, split: str) -> Iterable:
    """A progress bar over the scenes of a split."""
    return tqdm(results, total=total, desc=split, unit='scene')


def describe(report: SplitReport) -> str:
    """One paragraph about a split."""
    lines = [
        f'{report.path}: {report.samples} samples of {report.scenes} scenes'
    ]
    if report.absent_scenes:
        lines.append(
            f'  skipped, images not on disk: {len(report.absent_scenes)} '
            f'scenes, such as {report.absent_scenes[0]}'
        )
    if report.missing_labels:
        lines.append(f'  without Occ3D label: {report.missing_labels} samples')
    if report.scenes_without_can_bus:
        lines.append(
            '  without CAN bus, ego status from poses: '
            f'{len(report.scenes_without_can_bus)} scenes, such as '
            f'{report.scenes_without_can_bus[0]}'
        )
    if report.scenes_without_map:
        lines.append(
            '  without map (maps/expansion), directions from the path alone: '
            f'{len(report.scenes_without_map)} scenes, such as '
            f'{report.scenes_without_map[0]}'
        )
    if report.samples_without_questions:
        lines.append(
            f'  without questions: {report.samples_without_questions} samples'
        )
    return '\n'.join(lines)


def main(argv: Sequence[str] | None = None) -> int:
    args = parse_args(argv)
    options = ConvertOptions(
        root=args.root,
        version=args.version,
        out=args.out or args.root,
        occ3d=args.occ3d,
        qa=args.qa,
        can_bus=args.can_bus,
        workers=args.workers,
    )
    try:
        for report in convert_nuscenes(options, show_progress):
            print(describe(report))
    except (TableError, MapError) as error:
        print(f'error: {error}', file=sys.stderr)
        return 1
    return 0


if __name__ == '__main__':
    sys.exit(main())
