"""Print the FLOPs and parameters of configs; needs no weights, data or GPU.

    python tools/analysis_tools/get_flops.py CONFIG [CONFIG ...]
    python tools/analysis_tools/get_flops.py CONFIG --mode loss --shape 256 704
    python tools/analysis_tools/get_flops.py CONFIG --out flops.json

The whole ``predict`` of a model, or the forward pass of its ``loss``, runs on
torch's meta device in the sizes of the config's pipelines. FLOPs are those of
torch.utils.flop_counter: a multiplication and an addition are two. Where the
work depends on the data, the most is taken. What is not counted is named below
each table.
"""

import argparse
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mmengine.analysis import parameter_count

from mmocc.projects.Benchmarks.benchmarks import (
    batch_size_of,
    build_on_meta,
    count_batch,
    fill_anchors,
    set_forward_only,
    skip_value_modules,
)
from mmocc.utils.config import explained, load_config
from mmocc.utils.json_files import write_json

# Rows of the table: modules of this share of all FLOPs or parameters.
MIN_SHARE = 0.01


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument('configs', nargs='+', type=Path, metavar='CONFIG')
    parser.add_argument(
        '--mode', choices=('predict', 'loss'), default='predict'
    )
    parser.add_argument(
        '--shape',
        type=int,
        nargs=2,
        metavar=('H', 'W'),
        help="image size in pixels; default: the config's",
    )
    parser.add_argument('--batch-size', type=int, default=1)
    parser.add_argument(
        '--answer-tokens',
        type=int,
        help="of each answer; default: the model's max_new_tokens",
    )
    parser.add_argument(
        '--depth', type=int, default=2, help='levels of modules; default: 2'
    )
    parser.add_argument('--out', type=Path, help='write a JSON file as well')
    return parser.parse_args()


def analyse(
    path: Path,
    mode: str = 'predict',
    frames: int = 1,
    answer_tokens: int | None = None,
    shape: tuple[int, int] | None = None,
) -> dict[str, Any]:
    """Count the FLOPs of a config.

    The arguments are those of the command line.

    Returns:
        dict: What ``--out`` holds; FLOPs and parameters by module, '' is the
        whole model.
    """
    cfg = load_config(path)
    set_forward_only(cfg.model)
    if answer_tokens is not None and 'tokenizer' in cfg.model:
        cfg.model.max_new_tokens = answer_tokens
    model = build_on_meta(cfg)
    fill_anchors(model)
    size = batch_size_of(cfg, model, mode, frames)
    if shape is not None:
        size = size._replace(height=shape[0], width=shape[1])
    skipped = skip_value_modules(model, mode)
    count = count_batch(model, size, mode)
    writes = size.texts and not size.answered
    return dict(
        config=path.stem,
        mode=mode,
        batch=size._asdict(),
        answer_tokens=model.max_new_tokens if writes else 0,
        flops=count.by_module,
        parameters=parameter_count(model),
        skipped_modules=skipped,
        operators_not_counted=count.not_counted,
        assumed=count.assumed,
    )


def to_markdown(report: Mapping[str, Any], depth: int) -> str:
    """Format a table of modules, and what it does not hold."""
    flops, parameters = report['flops'], report['parameters']
    batch = ', '.join(f'{key} {n}' for key, n in report['batch'].items())
    rows = [
        f'### {report["config"]}, {report["mode"]}\n',
        f'Batch: {batch}; tokens of an answer: {report["answer_tokens"]}.\n',
        '| module | parameters (M) | GFLOPs | share (%) |',
        '| --- | ---: | ---: | ---: |',
    ]
    for name in sorted({*flops, *parameters}):
        work, weights = flops.get(name, 0), parameters.get(name, 0)
        share = work / max(flops[''], 1)
        large = max(share, weights / max(parameters[''], 1)) >= MIN_SHARE
        if large and name.count('.') < depth:
            rows.append(
                f'| {name or "**sum**"} | {weights / 1e6:,.2f} | '
                f'{work / 1e9:,.2f} | {100 * share:.1f} |'
            )
    rows.append('\nNot counted:\n')
    for name, what in report['skipped_modules'].items():
        rows.append(f'* `{name}`: {what};')
    operators = ', '.join(sorted(report['operators_not_counted']))
    rows.append(f'* operators without known FLOPs: {operators}.\n')
    for assumption, times in report['assumed'].items():
        rows.append(f'Assumed {times} times: {assumption}.')
    return '\n'.join(rows)


def main() -> None:
    args = parse_args()
    reports = []
    for path in args.configs:
        with explained():
            report = analyse(
                path,
                args.mode,
                args.batch_size,
                args.answer_tokens,
                args.shape,
            )
        print(f'\n{to_markdown(report, args.depth)}', flush=True)
        reports.append(report)
    if args.out is not None:
        write_json(reports, args.out, indent=2)
        print(f'\nwrote {args.out}')


if __name__ == '__main__':
    main()
