r"""Label the frames of an info file and write their chains of thought.

python tools/annotate.py data/nuscenes/nuscenes_infos_occ_train.pkl \
    --annotator rule --out work_dirs/annotation/train
OPENAI_API_KEY=... python tools/annotate.py INFO.pkl --annotator openai \
    --base-url https://api.openai.com/v1 --model NAME --out DIR
python tools/annotate.py INFO.pkl --annotator replay \
    --answers DIR/answers.jsonl --out OTHER

DIR gets the info file with new labels, answers.jsonl, review_queue.jsonl and
statistics.json. After a kill, run the same command again. The exit status is 3
if frames got no answer: the same command asks for these again.
"""

import argparse
import sys
from collections.abc import Sequence
from dataclasses import fields
from functools import cache
from pathlib import Path

from mmengine.config import Config
from tqdm import tqdm

from mmocc.annotation import (
    AnnotatorError,
    LabelRules,
    RoadMap,
    UnreachableError,
)
from mmocc.infos import (
    InfoFileError,
    MapError,
    load_info_file,
    map_path,
    write_info_file,
)
from mmocc.projects.DrivingLabels.driving_labels import (
    AnswerRecord,
    Arbiter,
)
from mmocc.projects.DrivingLabels.driving_labels.annotate_infos import (
    annotate_infos,
)
from mmocc.projects.DrivingLabels.driving_labels.annotation_report import (
    describe,
    summarise,
)
from mmocc.registry import ANNOTATORS
from mmocc.utils.json_files import (
    JsonFileError,
    write_json,
    write_json_lines,
)
from mmocc.utils.overrides import Overrides

TYPES = {
    'rule': 'RuleAnnotator',
    'openai': 'OpenAICompatibleAnnotator',
    'replay': 'ReplayAnnotator',
}
ANSWERS = 'answers.jsonl'
QUEUE = 'review_queue.jsonl'
STATISTICS = 'statistics.json'
_INTERRUPTED = 130
# All results are written, but frames are without an answer.
_INCOMPLETE = 3
_NAMED = 5  # tokens that a message lists


class OptionError(ValueError):
    """A command line or config that cannot be followed."""


def parse_args(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__.splitlines()[0],
        epilog=__doc__.split('\n\n', 1)[1],
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument('info', type=Path, help='an info file of whole scenes')
    parser.add_argument(
        '--annotator',
        required=True,
        metavar='NAME',
        help=f'{", ".join(TYPES)}, or a class in the registry ANNOTATORS',
    )
    parser.add_argument(
        '--out', type=Path, required=True, help='folder of the results'
    )
    parser.add_argument(
        '--data-root',
        '--root',
        dest='root',
        type=Path,
        help='data root (default: folder of the info)',
    )
    parser.add_argument(
        '--base-url', help='openai: the endpoint (default: $OPENAI_BASE_URL)'
    )
    parser.add_argument(
        '--model', help='openai: its model (default: $OPENAI_MODEL)'
    )
    parser.add_argument(
        '--api-key-env',
        metavar='NAME',
        help='openai: variable that holds the key (default: OPENAI_API_KEY)',
    )
    parser.add_argument(
        '--allow-plain-http',
        action='store_true',
        help='openai: let the key go to another machine by http, where '
        'anybody on the way can read it (default: refused)',
    )
    parser.add_argument(
        '--cameras',
        nargs='+',
        metavar='CAM',
        help='openai: send the images of these cameras (default: none)',
    )
    parser.add_argument(
        '--answers', type=Path, help='replay: answers.jsonl of another run'
    )
    parser.add_argument(
        '--config',
        type=Path,
        help='file with label_rules, annotator, min_confidence and '
        'custom_imports',
    )
    parser.add_argument(
        '--cfg-options',
        nargs='+',
        action=Overrides,
        metavar='KEY=VALUE',
        help='such as label_rules.acceleration=0.5 annotator.timeout=20',
    )
    return parser.parse_args(argv)


def load_config(args: argparse.Namespace) -> Config:
    """Merge the options of ``--config`` and of the command line.

    Raises:
        OptionError: A key is unknown or no config can be read.
    """
    config = Config(dict(label_rules={}, annotator={}, min_confidence=0.3))
    known = {*config, 'custom_imports'}
    if args.config:
        try:
            config.merge_from_dict(Config.fromfile(args.config).to_dict())
        except (ImportError, OSError, SyntaxError) as error:
            raise OptionError(
                f'the config {args.config} cannot be read: {error}'
            ) from error
    config.merge_from_dict(args.cfg_options or {})
    if unknown := sorted(set(config) - known):
        raise OptionError(
            f'the options hold {", ".join(unknown)}, expected '
            f'{", ".join(sorted(known))}'
        )
    options = {
        name: getattr(args, name)
        for name in ('base_url', 'model', 'api_key_env', 'cameras', 'answers')
        if getattr(args, name) is not None
    }
    if args.allow_plain_http:
        options['allow_plain_http'] = True
    if args.annotator == 'openai':
        options['work_dir'] = str(args.out)
    config.annotator = dict(
        config.annotator,
        type=TYPES.get(args.annotator, args.annotator),
        **options,
    )
    return config


def build_rules(options: dict) -> LabelRules:
    """Build the thresholds of the labelling rules.

    Raises:
        OptionError: A threshold is unknown or nonsense.
    """
    known = {rule.name for rule in fields(LabelRules)}
    if unknown := sorted(set(options) - known):
        raise OptionError(
            f'label_rules holds {", ".join(unknown)}, expected some of '
            f'{", ".join(sorted(known))}'
        )
    try:
        return LabelRules(**options)
    except (TypeError, ValueError) as error:
        raise OptionError(f'label_rules: {error}') from error


def run(args: argparse.Namespace) -> list[str]:
    """Annotate an info file, write all results, return what is unanswered."""
    target = args.out / args.info.name
    if target.resolve() == args.info.resolve():
        raise OptionError(
            f'the result would replace {args.info}; choose another --out'
        )
    config = load_config(args)
    rules = build_rules(config.label_rules)
    infos = load_info_file(args.info)
    root = args.root or args.info.parent
    try:
        annotator = ANNOTATORS.build(config.annotator)
        arbiter = Arbiter(annotator.name, config.min_confidence)
    except (KeyError, TypeError, ValueError) as error:
        raise OptionError(f'annotator: {error.args[0]}') from error
    record = AnswerRecord(args.out / ANSWERS, annotator)
    for damage in record.damage:
        print(
            f'warning: {damage}; the frame of this line is asked for again',
            file=sys.stderr,
        )

    @cache
    def road_map(location: str) -> RoadMap | None:
        path = map_path(root, location)
        return RoadMap.from_json(path) if path.is_file() else None

    with tqdm(
        total=len(infos['data_list']), desc=annotator.name, unit='frame'
    ) as bar:
        outcome = annotate_infos(
            infos,
            args.info,
            root,
            road_map,
            rules,
            record,
            arbiter,
            bar.update,
        )
    statistics = summarise(outcome, rules)
    write_json_lines(outcome.queue, args.out / QUEUE)
    write_json(statistics, args.out / STATISTICS, indent=1)
    write_info_file(dict(infos, data_list=outcome.data_list), target)
    print(describe(statistics, annotator.name))
    print(f'\n{target} is ready for ann_file; to review: {args.out / QUEUE}')
    return statistics['unanswered']


def main(argv: Sequence[str] | None = None) -> int:
    args = parse_args(argv)
    kept = (
        f'what is answered is kept in {args.out / ANSWERS}, run the same '
        'command again to go on'
    )
    try:
        unanswered = run(args)
    except (AnnotatorError, UnreachableError) as error:
        print(f'error: {error}; {kept}', file=sys.stderr)
        return 1
    except (OptionError, InfoFileError, MapError, JsonFileError) as error:
        print(f'error: {error}', file=sys.stderr)
        return 1
    except OSError as error:
        print(
            f'error: {error.filename}: {error.strerror}; {kept}',
            file=sys.stderr,
        )
        return 1
    except KeyboardInterrupt:
        print(f'interrupted; {kept}', file=sys.stderr)
        return _INTERRUPTED
    if unanswered:
        print(
            f'warning: {len(unanswered)} frames have no usable answer '
            f'({", ".join(unanswered[:_NAMED])}, ...): they keep the label '
            f'and the words of the rules, and {args.out / ANSWERS} says why; '
            'run the same command again to ask for them',
            file=sys.stderr,
        )
        return _INCOMPLETE
    return 0


if __name__ == '__main__':
    sys.exit(main())
