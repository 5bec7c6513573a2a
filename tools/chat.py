#!/usr/bin/env python
"""Talk with a model about a frame.

python tools/chat.py CONFIG WEIGHTS --infos FILE.pkl --data-root DIR --index 3
python tools/chat.py CONFIG WEIGHTS --images DIR --calibration FILE.json \\
    --ego FILE.json
echo "Are there any pedestrians?" | python tools/chat.py CONFIG WEIGHTS ...
"""

import argparse
import sys
from collections.abc import Callable, Iterable, Sequence

from mmocc.apis import Conversation, VLAInferencer, frame_at, prediction_dict
from mmocc.apis.camera_files import (
    CALIBRATION_EXAMPLE,
    EGO_EXAMPLE,
    read_camera_frame,
)
from mmocc.datasets import SampleError
from mmocc.infos import InfoFileError, load_info_file
from mmocc.utils.config import explained, load_config
from mmocc.utils.overrides import Overrides

PROMPT = '> '
HELP = """\
  any words  a question about the frame
  /plan      meta-action, reasoning and planned path
  /frame N   go to frame N of the info file
  /help      this text
  /quit      end, as the end of the input and Ctrl-C do"""

EPILOG = f"""
commands:
{HELP}

--calibration:
{CALIBRATION_EXAMPLE}

--ego:
{EGO_EXAMPLE}

The images of a frame are encoded once. Each question is answered on its own;
the model does not see those before it. Questions may come from a pipe, one a
line; then there is no prompt. docs/inference.md has more.
"""


def parse_args(argv: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument('config', help='config file')
    parser.add_argument('weights', help='checkpoint file')
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument(
        '--infos', metavar='FILE.pkl', help='info file of mmdet3d 1.1'
    )
    source.add_argument(
        '--images',
        metavar='DIR|FILE.json',
        help='a folder with one image a camera, whose file name contains the '
        "camera's name, or a JSON file of paths by camera name",
    )
    parser.add_argument(
        '--data-root', default='', metavar='DIR', help='of the info file'
    )
    parser.add_argument(
        '--images-dir',
        metavar='DIR',
        help='where the images are, if not below the data root',
    )
    parser.add_argument(
        '--index', type=int, default=0, help='first frame (default: 0)'
    )
    parser.add_argument('--calibration', metavar='FILE.json')
    parser.add_argument('--ego', metavar='FILE.json', help='with --images')
    parser.add_argument('--device', default='cpu', help='cpu, cuda or cuda:N')
    parser.add_argument(
        '--cfg-options',
        nargs='+',
        action=Overrides,
        metavar='KEY=VALUE',
        help='override config keys',
    )
    args = parser.parse_args(argv)
    if args.images and not args.calibration:
        parser.error('--images needs --calibration')
    if args.infos and (args.calibration or args.ego):
        parser.error(
            '--calibration and --ego belong to --images; the file of --infos '
            'has them'
        )
    return args


class Chat:
    """What one line of input does, and what it prints.

    Args:
        inferencer (VLAInferencer): Runs the model.
        frames (Callable): The frame at a place, from 0.
    """

    def __init__(
        self, inferencer: VLAInferencer, frames: Callable[[int], dict]
    ) -> None:
        self.inferencer = inferencer
        self.frames = frames
        self.talk: Conversation | None = None

    def go_to(self, index: int) -> str:
        """Look at a frame; the one before stays where this one is broken."""
        self.talk = Conversation(self.inferencer, self.frames(index))
        meta = self.talk.sample.metainfo
        where = f'frame {index}'
        if meta.get('scene_name'):
            where += f', {meta["scene_name"]} no. {meta["frame_idx"]}'
        return f'{where} ({meta["token"]})\n{self.plan()}'

    def plan(self) -> str:
        """Meta-action, reasoning and path as text."""
        return describe_plan(prediction_dict(self.talk.sample))

    def answer(self, line: str) -> str:
        """The reply to one line.

        Raises:
            SampleError: If a frame or a question cannot be used.
            InfoFileError: If there is no such frame.
        """
        command, _, rest = line.partition(' ')
        if command == '/plan':
            return self.plan()
        if command == '/frame':
            if not rest.strip().isdigit():
                return '/frame takes a number, such as /frame 3'
            return self.go_to(int(rest))
        if command.startswith('/'):
            return HELP if command == '/help' else f'no {command}\n{HELP}'
        return self.talk.ask(line) or '(no answer)'


def describe_plan(prediction: dict) -> str:
    """A plan for people.

    Args:
        prediction (dict): From ``prediction_dict``.
    """
    lines = []
    action = prediction['meta_action']
    if action is not None:
        pair = f'{action["speed"]}; {action["direction"]}'
        readable = action['speed'] is not None
        lines.append(
            f'meta-action: {pair if readable else "none that can be read"}'
        )
    if prediction['chain_of_thought']:
        lines.append(f'reasoning: {prediction["chain_of_thought"]}')
    if prediction['trajectory'] is None:
        return '\n'.join([*lines, 'plan: none, the model has no planner'])
    lines.append('plan (seconds: metres ahead, metres left):')
    for seconds, (x, y) in zip(
        prediction['seconds'], prediction['trajectory'], strict=True
    ):
        lines.append(f'  {seconds:.1f}: {x:6.2f}, {y:6.2f}')
    return '\n'.join(lines)


def converse(chat: Chat, lines: Iterable[str]) -> None:
    """Answer until the lines or the user end it."""
    for line in lines:
        line = line.strip()
        if line == '/quit':
            return
        if not line:
            continue
        try:
            print(chat.answer(line), flush=True)
        except (SampleError, InfoFileError) as error:
            print(f'error: {error}', flush=True)


def typed_lines() -> Iterable[str]:
    """Lines of a terminal, behind a prompt, or of a pipe."""
    if not sys.stdin.isatty():
        yield from sys.stdin
        return
    while True:
        try:
            yield input(PROMPT)
        except EOFError:
            print()
            return


def make_frames(
    args: argparse.Namespace, inferencer: VLAInferencer
) -> Callable[[int], dict]:
    """Where the command line takes its frames from."""
    if args.infos:
        infos = load_info_file(args.infos)['data_list']
        return lambda index: frame_at(
            infos,
            index,
            inferencer.num_history,
            args.data_root,
            args.images_dir,
        )
    frame = read_camera_frame(
        args.images, args.calibration, args.ego, inferencer.cameras
    )

    def the_only_one(index: int) -> dict:
        if index:
            raise InfoFileError(
                f'there is no frame {index}: --images names one moment; give '
                '--infos to go through a file'
            )
        return frame

    return the_only_one


def main(argv: Sequence[str] | None = None) -> None:
    args = parse_args(argv)
    try:
        with explained():
            cfg = load_config(args.config, args.cfg_options)
        with explained(cfg):
            inferencer = VLAInferencer(cfg, args.weights, args.device)
            chat = Chat(inferencer, make_frames(args, inferencer))
            print(chat.go_to(args.index if args.infos else 0), flush=True)
            converse(chat, typed_lines())
    except KeyboardInterrupt:
        print()


if __name__ == '__main__':
    main()
