r"""Check a data root before anything is trained on it.

python tools/check_data.py data/nuscenes --version v1.0-trainval \
    --require occ3d qa can-bus --workers 8

Every missing or unreadable file is named, with what provides it. The summary
at the end is Markdown. The exit status is 1 where an error was found.
"""

import argparse
import platform
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

from tqdm import tqdm

from dataset_converters.data_check import (
    OFFICIAL_COUNTS,
    OPTIONAL_PARTS,
    PARTS,
    CheckOptions,
    CheckReport,
    check_data,
)
from dataset_converters.findings import ERROR, NOTE, WARNING
from dataset_converters.geometry_checks import (
    BOXES,
    BOXES_IN_VIEW,
    POINTS,
    POINTS_IN_BOXES,
)
from mmocc.utils.atomic import atomic_open
from mmocc.version import __version__

# Findings of a kind that are printed; the rest goes to --list.
_PRINTED = 20


def parse_args(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__.splitlines()[0],
        epilog=__doc__.split('\n\n', 1)[1],
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument('root', type=Path, help='the data root')
    parser.add_argument(
        '--version',
        required=True,
        choices=list(OFFICIAL_COUNTS),
        help='table folder',
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
        help='parts that must be there; others are checked if they are',
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
    if args.spots < 1:
        parser.error(f'--spots must be at least 1, got {args.spots}')
    return args


def show_progress(results: Iterable, total: int) -> Iterable:
    """A progress bar over scenes."""
    return tqdm(results, total=total, desc='checking', unit='scene')


def summary(report: CheckReport, options: CheckOptions) -> str:
    """A report that can be pasted into an issue: no path of this machine."""
    findings = report.findings
    official = OFFICIAL_COUNTS[options.version]
    lines = [
        f'### mmocc {__version__} data check: {options.version}',
        f'{platform.system()}, Python {platform.python_version()}, '
        f'{"all files" if options.deep else f"{options.spots} frames a scene"}'
        ' read in full',
        '',
        '| split | scenes | samples | official samples |',
        '| --- | --- | --- | --- |',
    ]
    lines += [
        f'| {split} | {report.scenes[split]} | {count} | {official[split]} |'
        for split, count in report.samples.items()
    ]
    lines += ['', *findings.table(PARTS), '']
    measured = findings.measured
    lines += [
        f'- visible boxes in an image: {measured[BOXES_IN_VIEW]} of '
        f'{measured[BOXES]}',
        f'- LiDAR points in boxes: {measured[POINTS_IN_BOXES]}, the tables '
        f'count {measured[POINTS]}',
        f'- {findings.number(ERROR)} errors, {findings.number(WARNING)} '
        f'warnings, {findings.number(NOTE)} notes',
    ]
    return '\n'.join(lines)


def main(argv: Sequence[str] | None = None) -> int:
    args = parse_args(argv)
    options = CheckOptions(
        root=args.root,
        version=args.version,
        omnidrive=args.omnidrive,
        required=tuple(args.require),
        spots=args.spots,
        deep=args.deep,
        workers=args.workers,
    )
    report = check_data(options, show_progress)
    findings = report.findings
    for line in findings.lines(_PRINTED):
        print(line)
    if args.list:
        with atomic_open(args.list, 'w') as file:
            file.writelines(f'{item}\n' for item in findings.items)
    print(f'\n{summary(report, options)}')
    return 1 if findings.number(ERROR) else 0


if __name__ == '__main__':
    sys.exit(main())
