r"""Turn a data set on disk into the info files that configs read.

python tools/create_data.py nuscenes --root data/nuscenes \
    --version v1.0-trainval --occ3d --qa --can-bus --workers 8
python tools/create_data.py convert vad_infos_temporal_train.pkl \
    --source vad --root data/nuscenes --out infos_train.pkl
python tools/create_data.py own-cameras drive.json --root data/own \
    --out data/own/infos.pkl
"""

import argparse
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

from tqdm import tqdm

from dataset_converters.foreign_infos import (
    SOURCES,
    ForeignReport,
    convert_foreign,
)
from dataset_converters.nuscenes_converter import (
    SPLITS,
    ConvertOptions,
    SplitReport,
    convert_nuscenes,
)
from dataset_converters.nuscenes_tables import TableError
from dataset_converters.own_cameras import (
    OwnCamerasError,
    read_drive,
    write_drives,
)
from mmocc.infos import InfoFileError, MapError

# Plans that differ from the poses by more than this, metres, are told of.
_MOST_DIFFERENCE = 0.5


def parse_args(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__.splitlines()[0],
        epilog=__doc__.split('\n\n')[1],
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    datasets = parser.add_subparsers(dest='dataset', required=True)
    _add_nuscenes(datasets)
    _add_convert(datasets)
    _add_own_cameras(datasets)
    return parser.parse_args(argv)


def _add_nuscenes(datasets: argparse._SubParsersAction) -> None:
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
        '--omnidrive',
        type=Path,
        metavar='DIR',
        help="join OmniDrive's text (conv, desc, vqa, keywords) below DIR",
    )
    nuscenes.add_argument(
        '--workers', type=int, default=1, help='processes (default: 1)'
    )
    nuscenes.add_argument(
        '--out', type=Path, help='folder of the info files (default: root)'
    )
    nuscenes.set_defaults(run=run_nuscenes)


def _add_convert(datasets: argparse._SubParsersAction) -> None:
    convert = datasets.add_parser(
        'convert', help="turn another project's info file into ours"
    )
    convert.add_argument('infos', type=Path, help='its .pkl file')
    convert.add_argument(
        '--source', required=True, choices=list(SOURCES), help='whose it is'
    )
    convert.add_argument(
        '--out', type=Path, required=True, help='the info file to write'
    )
    convert.add_argument(
        '--root', type=Path, help="data root, to find Occ3D's labels (gts/)"
    )
    convert.set_defaults(run=run_convert)


def _add_own_cameras(datasets: argparse._SubParsersAction) -> None:
    own = datasets.add_parser(
        'own-cameras', help='infos of drives of your own vehicle'
    )
    own.add_argument('drives', type=Path, nargs='+', help='JSON files')
    own.add_argument(
        '--root', type=Path, required=True, help='folder of the images'
    )
    own.add_argument(
        '--out', type=Path, required=True, help='the info file to write'
    )
    own.set_defaults(run=run_own_cameras)


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
    if report.samples_without_captions:
        lines.append(
            '  without text of OmniDrive: '
            f'{report.samples_without_captions} samples'
        )
    if report.resumed_scenes:
        lines.append(
            f'  {report.resumed_scenes} scenes were finished by a run before'
        )
    return '\n'.join(lines)


def describe_foreign(report: ForeignReport) -> str:
    """One paragraph about a converted file."""
    lines = [
        f'{report.path}: {report.samples} samples of {report.scenes} scenes'
    ]
    if report.without_labels:
        lines.append(f'  without Occ3D label: {report.without_labels} samples')
    if report.compared:
        lines.append(
            f'  {report.compared} plans compared with the ego poses: '
            f'{report.largest_difference:.3f} m apart at most'
        )
    if report.largest_difference > _MOST_DIFFERENCE:
        lines.append(
            '  warning: the plans do not fit the poses; ours come from the '
            'poses. Is --source right?'
        )
    return '\n'.join(lines)


def run_nuscenes(args: argparse.Namespace) -> None:
    """Convert nuScenes' tables."""
    options = ConvertOptions(
        root=args.root,
        version=args.version,
        out=args.out or args.root,
        occ3d=args.occ3d,
        qa=args.qa,
        can_bus=args.can_bus,
        omnidrive=args.omnidrive,
        workers=args.workers,
    )
    for report in convert_nuscenes(options, show_progress):
        print(describe(report))


def run_convert(args: argparse.Namespace) -> None:
    """Convert an info file of another project."""
    report = convert_foreign(args.infos, args.source, args.out, args.root)
    print(describe_foreign(report))


def run_own_cameras(args: argparse.Namespace) -> None:
    """Convert drives of one's own vehicle."""
    drives = [read_drive(path) for path in args.drives]
    count = write_drives(drives, args.root, args.out)
    print(f'{args.out}: {count} samples of {len(drives)} drives')


def main(argv: Sequence[str] | None = None) -> int:
    args = parse_args(argv)
    try:
        args.run(args)
    except (TableError, MapError, InfoFileError, OwnCamerasError) as error:
        print(f'error: {error}', file=sys.stderr)
        return 1
    except OSError as error:
        print(
            f'error: {error.filename}: {error.strerror}; what is finished is '
            'kept, run the same command again',
            file=sys.stderr,
        )
        return 1
    return 0


if __name__ == '__main__':
    sys.exit(main())
