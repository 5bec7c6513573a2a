r"""Convert a data set on disk to the info files that configs read.

python tools/create_data.py nuscenes --data-root data/nuscenes \
    --version v1.0-trainval --occ3d --qa --can-bus --workers 8
python tools/create_data.py convert vad_infos_temporal_train.pkl \
    --source vad --data-root data/nuscenes --out infos_train.pkl
python tools/create_data.py own-cameras drive.json --data-root data/own \
    --out data/own/infos.pkl
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from dataset_converters.data_parts import PROJECTS, SPLITS

# Converters are imported late: they load mmdet3d, which --help does not need.


def parse_args(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__.splitlines()[0],
        epilog=__doc__.split('\n\n')[1],
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    datasets = parser.add_subparsers(dest='dataset', required=True)
    commands = (
        ('nuscenes', run_nuscenes, 'write nuscenes_infos_occ_{train,val}.pkl'),
        ('convert', run_convert, "convert another project's info file"),
        ('own-cameras', run_own_cameras, 'convert drives of your vehicle'),
    )
    for name, run, help_text in commands:
        command = datasets.add_parser(name, help=help_text)
        command.set_defaults(run=run)
        command.add_argument(
            '--data-root',
            '--root',
            type=Path,
            metavar='DIR',
            required=name != 'convert',
            help='root of images, tables and labels (gts/)',
        )
        command.add_argument(
            '--out',
            type=Path,
            required=name != 'nuscenes',
            help='folder of the info files (default: the data root)'
            if name == 'nuscenes'
            else 'info file to write',
        )
    _add_nuscenes_options(datasets.choices['nuscenes'])
    convert = datasets.choices['convert']
    convert.add_argument('infos', type=Path, help='.pkl file of the project')
    convert.add_argument('--source', required=True, choices=PROJECTS)
    datasets.choices['own-cameras'].add_argument(
        'drives', type=Path, nargs='+', help='JSON files of recordings'
    )
    return parser.parse_args(argv)


def _add_nuscenes_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        '--version', required=True, choices=list(SPLITS), help='table folder'
    )
    parser.add_argument(
        '--occ3d',
        action='store_true',
        help='check that each frame has its Occ3D label under gts/',
    )
    parser.add_argument(
        '--qa', action='store_true', help='join the questions of NuScenes-QA'
    )
    parser.add_argument(
        '--can-bus',
        action='store_true',
        help='ego status from the CAN bus expansion, not from poses alone',
    )
    parser.add_argument(
        '--omnidrive',
        type=Path,
        metavar='DIR',
        help="join OmniDrive's text (conv, desc, vqa, keywords) below DIR",
    )
    parser.add_argument(
        '--workers', type=int, default=1, help='processes (default: 1)'
    )


def run_nuscenes(args: argparse.Namespace) -> None:
    """Convert nuScenes' tables."""
    from dataset_converters.nuscenes_converter import (
        ConvertOptions,
        convert_nuscenes,
    )

    options = ConvertOptions(
        root=args.data_root,
        version=args.version,
        out=args.out or args.data_root,
        occ3d=args.occ3d,
        qa=args.qa,
        can_bus=args.can_bus,
        omnidrive=args.omnidrive,
        workers=args.workers,
        progress=True,
    )
    for report in convert_nuscenes(options):
        print(report)


def run_convert(args: argparse.Namespace) -> None:
    """Convert an info file of another project."""
    from dataset_converters.foreign_infos import convert_foreign

    print(convert_foreign(args.infos, args.source, args.out, args.data_root))


def run_own_cameras(args: argparse.Namespace) -> None:
    """Convert drives of one's own vehicle."""
    from dataset_converters.own_cameras import read_drive, write_drives

    drives = [read_drive(path) for path in args.drives]
    count = write_drives(drives, args.data_root, args.out)
    print(f'{args.out}: {count} samples of {len(drives)} drives')


def main(argv: Sequence[str] | None = None) -> int:
    args = parse_args(argv)
    from dataset_converters.nuscenes_tables import TableError
    from dataset_converters.own_cameras import OwnCamerasError
    from mmocc.infos import InfoFileError, MapError

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
