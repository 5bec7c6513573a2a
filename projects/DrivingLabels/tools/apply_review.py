"""Write the decisions of reviewers into the labels of an info file.

    python tools/apply_review.py data/nuscenes/nuscenes_infos_occ_train.pkl \\
        review_*.jsonl --out data/nuscenes/nuscenes_infos_occ_train.pkl

The files come from the pages that tools/review_labels.py builds. Applying
them again changes nothing. See docs/review.md.
"""

import argparse
from pathlib import Path

from mmocc.annotation.rule_texts import rule_texts
from mmocc.infos import load_info_file, write_info_file
from mmocc.projects.DrivingLabels.driving_labels.label_statistics import (
    text_table,
)
from mmocc.projects.DrivingLabels.driving_labels.review import (
    ReviewedInfos,
    ReviewError,
    apply_decisions,
    decide,
    edit_statistics,
    read_edits,
    without_text,
)
from mmocc.utils.json_files import write_json

STATISTICS_SUFFIX = '.review.json'


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument('infos', type=Path, help='info file with labels')
    parser.add_argument(
        'edits', type=Path, nargs='+', help='.jsonl files of the pages'
    )
    parser.add_argument(
        '--out',
        type=Path,
        required=True,
        help='new info file; may be the old one',
    )
    parser.add_argument(
        '--rule-texts',
        action='store_true',
        help='write new chains of thought by rules where the old ones argue '
        'for another action; without this they are taken out',
    )
    parser.add_argument(
        '--data-root',
        '--root',
        dest='root',
        type=Path,
        help='data root with maps/expansion, for --rule-texts (default: the '
        'folder of the info file)',
    )
    parser.add_argument(
        '--statistics',
        type=Path,
        help=f'JSON file (default: OUT with {STATISTICS_SUFFIX})',
    )
    parser.add_argument(
        '--later-wins',
        action='store_true',
        help='where files contradict each other, the one given last counts; '
        'without this they are refused',
    )
    return parser.parse_args(argv)


def apply_review(args: argparse.Namespace) -> dict:
    """Write the new info file and return the statistics of the edits."""
    decisions = decide(
        [read_edits(path) for path in args.edits], args.later_wins
    )
    content = load_info_file(args.infos)
    try:
        outcome = apply_decisions(content['data_list'], decisions)
    except ReviewError as error:
        raise ReviewError(f'{args.infos}: {error}') from None
    if args.rule_texts:
        outcome = _with_texts(outcome, content, args)
    write_info_file(content | {'data_list': outcome.infos}, args.out)
    return edit_statistics(outcome)


def _with_texts(
    outcome: ReviewedInfos, content: dict, args: argparse.Namespace
) -> ReviewedInfos:
    """Write new chains of thought by rules where a review emptied them."""
    texts = rule_texts(
        content | {'data_list': outcome.infos},
        set(without_text(outcome.infos)),
        args.root or args.infos.parent,
        str(args.infos),
    )
    return outcome._replace(
        infos=[
            info | {'cot': texts[info['token']]}
            if info['token'] in texts
            else info
            for info in outcome.infos
        ]
    )


def table(statistics: dict, part: str) -> str:
    """Format counts by word before (rows) and after (columns) the review.

    Words that occur in no row or column are left out.
    """
    words, counts = statistics['words'][part], statistics[part]
    rows = [k for k, row in enumerate(counts) if any(row)]
    columns = [
        k for k, column in enumerate(zip(*counts, strict=True)) if any(column)
    ]
    cells = [['', *(words[k] for k in columns)]]
    cells += [[words[r], *(str(counts[r][c]) for c in columns)] for r in rows]
    return f'{part}: before (rows), after (columns)\n{text_table(cells)}'


def report(statistics: dict) -> str:
    """Format the statistics as text."""
    lines = [
        _agreement('all', statistics),
        *(
            _agreement(name, of_reviewer)
            for name, of_reviewer in statistics['reviewers'].items()
        ),
        f'{statistics["already_applied"]} of them were in the file already; '
        f'the file has {statistics["labelled"]} labelled frames.',
    ]
    if statistics['reviewed']:
        lines += ['', table(statistics, 'direction')]
        lines += ['', table(statistics, 'speed')]
    changed = [p for p in statistics['pairs'] if p['before'] != p['after']]
    if changed:
        lines += ['', 'changed pairs:']
    lines += [
        f'{pair["count"]:6d}  {"; ".join(pair["before"])} -> '
        f'{"; ".join(pair["after"])}'
        for pair in changed
    ]
    anew = len(statistics['texts_to_make_anew'])
    if anew:
        lines += [
            '',
            f'{anew} reviewed frames have no chain of thought, because the '
            'old one argued for another action: write new ones with '
            '--rule-texts, or training skips the text of these frames.',
        ]
    return '\n'.join(lines)


def _agreement(name: str, counts: dict) -> str:
    rate = counts['edit_rate']
    share = '' if rate is None else f' ({rate:.1%} edited)'
    return (
        f'{name}: {counts["reviewed"]} reviewed, {counts["accepted"]} '
        f'accepted, {counts["edited"]} edited{share}'
    )


def main(argv: list[str] | None = None) -> None:
    args = parse_args(argv)
    try:
        statistics = apply_review(args)
        path = args.statistics or args.out.with_name(
            args.out.name + STATISTICS_SUFFIX
        )
        write_json(statistics, path, indent=1)
    except (ValueError, OSError) as error:
        raise SystemExit(f'error: {error}') from error
    print(f'{report(statistics)}\n\n-> {args.out}\n-> {path}')


if __name__ == '__main__':
    main()
