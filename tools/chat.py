#!/usr/bin/env python
"""Ask a model questions about a frame.

python tools/chat.py CONFIG CHECKPOINT --infos INFOS.pkl --index 3
python tools/chat.py CONFIG CHECKPOINT --images DIR --calibration FILE.json \\
    --ego FILE.json
echo "Are there any pedestrians?" | python tools/chat.py CONFIG CHECKPOINT ...
"""

import argparse
import sys
from collections.abc import Iterable, Sequence

from mmocc.utils.config import explained, load_config
from mmocc.utils.frame_arguments import (
    FILES_HELP,
    add_frame_arguments,
    check_frame_arguments,
)
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
{FILES_HELP}
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
    add_frame_arguments(parser)
    parser.add_argument(
        '--cfg-options',
        nargs='+',
        action=Overrides,
        metavar='KEY=VALUE',
        help='override config keys',
    )
    args = parser.parse_args(argv)
    check_frame_arguments(parser, args)
    if args.infos and args.ego:
        parser.error('--ego belongs to --images; the file of --infos has one')
    return args


class Chat:
    """Answer lines of input about the frames of a source.

    Args:
        inferencer (VLAInferencer): Inferencer of the model.
        frames (Sequence[dict]): Frames, from ``open_frames``.
    """

    def __init__(self, inferencer, frames: Sequence[dict]) -> None:
        self.inferencer, self.frames = inferencer, frames
        self.conversation = None

    def go_to(self, index: int) -> str:
        """Encode a frame and describe its plan.

        Raises:
            InfoFileError: If there is no such frame.
            SampleError: If it cannot be used; the frame before it stays.
        """
        from mmocc.apis import Conversation
        from mmocc.infos import InfoFileError

        if not 0 <= index < len(self.frames):
            raise InfoFileError(
                f'there is no frame {index} among the {len(self.frames)}; '
                f'choose one from 0 to {len(self.frames) - 1}'
            )
        self.conversation = Conversation(self.inferencer, self.frames[index])
        meta = self.conversation.sample.metainfo
        where = f'frame {index}'
        if meta.get('scene_name'):
            where += f', {meta["scene_name"]} no. {meta["frame_idx"]}'
        return f'{where} ({meta["token"]})\n{self.describe()}'

    def describe(self) -> str:
        """Describe meta-action, reasoning and plan of the frame."""
        from mmocc.apis.prediction import describe_plan, prediction_dict

        return describe_plan(prediction_dict(self.conversation.sample))

    def answer(self, line: str) -> str:
        """Answer a question, or run a command.

        Raises:
            InfoFileError: If there is no such frame.
            SampleError: If a frame or a question cannot be used.
        """
        command, _, rest = line.partition(' ')
        if command == '/plan':
            return self.describe()
        if command == '/frame':
            if not rest.strip().isdigit():
                return '/frame takes a number, such as /frame 3'
            return self.go_to(int(rest))
        if command.startswith('/'):
            return HELP if command == '/help' else f'no {command}\n{HELP}'
        return self.conversation.ask(line) or '(no answer)'


def converse(chat: Chat, lines: Iterable[str]) -> None:
    """Answer lines until their end or ``/quit``."""
    from mmocc.datasets import SampleError
    from mmocc.infos import InfoFileError

    for line in map(str.strip, lines):
        if line == '/quit':
            return
        if not line:
            continue
        try:
            print(chat.answer(line), flush=True)
        except (SampleError, InfoFileError) as error:
            print(f'error: {error}', flush=True)


def read_lines() -> Iterable[str]:
    """Read lines from a terminal with a prompt, or from a pipe."""
    if not sys.stdin.isatty():
        yield from sys.stdin
        return
    while True:
        try:
            yield input(PROMPT)
        except EOFError:
            print()
            return


def main(argv: Sequence[str] | None = None) -> None:
    args = parse_args(argv)
    try:
        with explained():
            config = load_config(args.config, args.cfg_options)
        with explained(config):
            from mmocc.apis import VLAInferencer
            from mmocc.apis.camera_files import open_frames

            inferencer = VLAInferencer(config, args.checkpoint, args.device)
            frames, index = open_frames(args, inferencer)
            chat = Chat(inferencer, frames)
            print(chat.go_to(index), flush=True)
            converse(chat, read_lines())
    except KeyboardInterrupt:
        print()


if __name__ == '__main__':
    main()
