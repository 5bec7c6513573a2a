r"""Check a data root before anything is trained on it.

python tools/check_data.py data/nuscenes --version v1.0-trainval \
    --require occ3d qa can-bus --workers 8

Every missing or unreadable file is named, with its download instructions. The
summary at the end is Markdown. The exit status is 1 where an error was found.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from dataset_converters.data_parts import OPTIONAL_PARTS, SPLITS

# Findings of a kind that are printed; the rest goes to --list.
_PRINTED = 20


def parse_args(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__.splitlines()[0],
        epilog=__doc__.split('\n\n', 1)[1],
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        'data_root',
        nargs='?',
        default=argparse.SUPPRESS,  # leaves the option's value alone
        help='data root of nuScenes',
    )
    parser.add_argument(
        '--data-root',
        '--root',
        metavar='DIR',
        help='the same as an option',
    )
    parser.add_argument(
        '--version', required=True, choices=list(SPLITS), help='table folder'
    )
    parser.add_argument(
        '--omnidrive',
        type=Path,
        metavar='DIR',
        help="folder of OmniDrive's conv, desc, vqa and keywords",
    )
    parser.add_argument(
        '--require',
        nargs='+',
        default=(),
        choices=OPTIONAL_PARTS,
        help='parts that must exist; others are checked where they do',
    )
    parser.add_argument(
        '--spots',
        type=int,
        default=1,
        help='frames of a scene whose files are read in full (default: 1)',
    )
    parser.add_argument(
        '--deep', action='store_true', help='read every file in full'
    )
    parser.add_argument(
        '--list', type=Path, metavar='FILE', help='write all findings there'
    )
    parser.add_argument(
        '--workers', type=int, default=1, help='processes (default: 1)'
    )
    args = parser.parse_args(argv)
    if args.data_root is None:
        parser.error('give the data root, such as data/nuscenes')
    if args.spots < 1:
        parser.error(f'--spots must be at least 1, got {args.spots}')
    return args


def main(argv: Sequence[str] | None = None) -> int:
    args = parse_args(argv)
    # Late: it loads mmdet3d, which --help can do without.
    from dataset_converters.data_check import CheckOptions, check_data
    from dataset_converters.findings import ERROR
    from mmocc.utils.atomic import atomic_open

    report = check_data(
        CheckOptions(
            root=Path(args.data_root),
            version=args.version,
            omnidrive=args.omnidrive,
            required=tuple(args.require),
            spots=args.spots,
            deep=args.deep,
            workers=args.workers,
            progress=True,
        )
    )
    findings = report.findings
    for line in findings.lines(_PRINTED):
        print(line)
    if args.list:
        with atomic_open(args.list, 'w') as file:
            file.writelines(f'{item}\n' for item in findings.items)
    print(f'\n{report.summary}')
    return 1 if findings.number(ERROR) else 0


if __name__ == '__main__':
    sys.exit(main())
