"""Write one HTML page about a work directory.

    python tools/analysis_tools/report.py work_dirs/demo
    python tools/analysis_tools/report.py work_dirs/my_run \\
        --baseline 'class prior=baselines.json' --out report.html

The page holds curves, scores beside baselines, the best and worst frames with
pictures, environments, seeds and full configs of every run below WORK_DIR. It
needs no other file and no network. What is missing or broken is named at its
end. For frames, write predictions first: tools/test.py ... --dump DIR.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from mmocc.projects.RunReports.run_reports import (
    ScoreFile,
    WorkDir,
    build_page,
    find_predictions,
)
from mmocc.utils.atomic import atomic_open


def parse_args(argv: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument('work_dir', type=Path, help='of any mmocc run')
    parser.add_argument(
        '--out',
        type=Path,
        metavar='FILE.html',
        help='default: WORK_DIR/report.html',
    )
    parser.add_argument(
        '--baseline',
        action='append',
        default=[],
        metavar='NAME=FILE.json',
        help='a file of scores beside those of the work directory; '
        'baselines.json in it is found by itself',
    )
    parser.add_argument(
        '--predictions',
        type=Path,
        metavar='DIR',
        help='files of tools/test.py --dump; found by themselves below '
        'WORK_DIR',
    )
    parser.add_argument(
        '--frames',
        type=int,
        default=3,
        metavar='N',
        help='pictures of the N best and N worst frames (default: 3)',
    )
    args = parser.parse_args(argv)
    if args.frames < 0:
        parser.error(f'--frames {args.frames}: expected 0 or more')
    if args.out is None:
        args.out = args.work_dir / 'report.html'
    return args


def read_baselines(work: WorkDir, named: Sequence[str]) -> list[ScoreFile]:
    """Read the score files of ``--baseline``.

    Raises:
        ValueError: One is not NAME=FILE.
    """
    found = []
    for text in named:
        name, equals, path = text.partition('=')
        if not (name and equals and path):
            raise ValueError(
                f'--baseline {text!r}: expected NAME=FILE.json, such as '
                "'class prior=baselines.json'"
            )
        result = work.read_result(Path(path), name)
        if result is None:
            work.missing.append(f'Baseline {name}: {path} holds no scores.')
        else:
            found.append(result)
    return found


def main(argv: Sequence[str] | None = None) -> int:
    args = parse_args(argv)
    try:
        work = WorkDir(args.work_dir)
        baselines = read_baselines(work, args.baseline)
        folders = (
            find_predictions(args.work_dir)
            if args.predictions is None
            else [args.predictions]
        )
        page = build_page(work, folders, baselines, args.frames)
        with atomic_open(args.out, 'w') as file:
            file.write(page)
    except (OSError, ValueError) as error:
        print(f'report.py: {error}', file=sys.stderr)
        return 1
    print(f'{args.out}: {len(page) / 2**20:.1f} MiB')
    for line in work.missing:
        print(f'missing: {line}')
    return 0


if __name__ == '__main__':
    sys.exit(main())
