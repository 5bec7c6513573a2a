"""Score predictions of any model against ground truth, file against file.

    python tools/evaluate.py planning --pred plans.npz --gt truth.npz \\
        --preset uniad --preset vad --out scores.json

TASK is one of occ, rayiou, forecast, planning, qa, caption, counterfactual
and meta. docs/evaluation.md describes the files, the presets and who computes
what how; mmocc.evaluation.files writes such files. Samples are joined by
token; whatever does not fit is an error, and then nothing is printed.
"""

import argparse
import json
import sys
from pathlib import Path

from mmocc.evaluation.functional.captions import MissingScorerError
from mmocc.evaluation.tasks import TASKS, to_json, to_table
from mmocc.utils.atomic import atomic_open


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog='presets:\n'
        + '\n'.join(
            f'  {name}: {", ".join(module.PRESETS)}'
            for name, module in TASKS.items()
        ),
    )
    parser.add_argument('task', choices=list(TASKS), metavar='TASK')
    parser.add_argument('--pred', type=Path, required=True, metavar='FILE')
    parser.add_argument('--gt', type=Path, required=True, metavar='FILE')
    parser.add_argument(
        '--preset',
        action='append',
        default=[],
        metavar='NAME',
        help='may be given several times; "all" for every one',
    )
    parser.add_argument(
        '--out', type=Path, metavar='FILE.json', help='write the scores here'
    )
    return parser.parse_args()


def main() -> int:
    args = parse_args()
    try:
        evaluation = TASKS[args.task].evaluate(args.pred, args.gt, args.preset)
        report = to_json(evaluation, {'pred': args.pred, 'gt': args.gt})
    except (MissingScorerError, ValueError) as error:
        print(f'error: {error}', file=sys.stderr)
        return 1
    if args.out is not None:
        with atomic_open(args.out, 'w') as file:
            json.dump(report, file, indent=2)
            file.write('\n')
    print(to_table(evaluation))
    return 0


if __name__ == '__main__':
    sys.exit(main())
