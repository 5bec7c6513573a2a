"""Ask an annotator about many frames, and write down each answer at once.

The record is a file of JSON lines. A run that was killed goes on behind its
last line; what was answered is not asked again unless frame or annotator
changed. A frame without a usable answer is marked, and the run goes on; the
next run asks for it again.
"""

import hashlib
import json
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import asdict, dataclass
from pathlib import Path

from mmocc.annotation.annotator import (
    Annotator,
    AnnotatorError,
    NoAnswerError,
    UnreachableError,
)
from mmocc.annotation.chain_of_thought import parse_chain_of_thought
from mmocc.annotation.frame_context import FrameContext
from mmocc.utils.json_files import (
    JsonFileError,
    JsonLine,
    JsonLinesWriter,
    read_json_lines,
)

# Frames that are not reached one behind the other until a run ends: the
# endpoint is down, and each further frame would wait for all its attempts.
_GIVE_UP_AFTER = 3
_KEY_LETTERS = 20


@dataclass(frozen=True)
class Answer:
    """Answer of an annotator about a frame.

    Attributes:
        text (str or None): The chain of thought; None marks a frame that is
            to be asked for again.
        problem (str): Why there is none, else ''.

    Raises:
        ValueError: The text is no chain of thought.
    """

    text: str | None
    problem: str = ''

    def __post_init__(self) -> None:
        if self.text is None:
            return
        if not isinstance(self.text, str) or not parse_chain_of_thought(
            self.text
        ):
            raise ValueError(
                'the text is no chain of thought "Scene: ... History: ... '
                'Reasoning: ... Action: <speed>; <direction>."'
            )


class AnswerRecord:
    """Answers of one annotator, kept on disk.

    Args:
        path (Path): A file of JSON lines with ``token``, ``key``, ``text``
            and ``problem``. The last line of a frame counts.
        annotator (Annotator): Annotator that answers.

    Attributes:
        damage (list[str]): File, line and fault of each line that cannot be
            used; its frame is asked for again.
    """

    def __init__(self, path: Path, annotator: Annotator) -> None:
        self.path = Path(path)
        self._annotator = annotator
        self._identity = json.dumps(annotator.identity, sort_keys=True)
        self._writer = JsonLinesWriter(self.path)
        self._failures = 0  # frames in a row that were not reached
        self.damage: list[str] = []
        self._known: dict[tuple[str, str], Answer] = {}
        if self.path.is_file():
            self._read()

    def _read(self) -> None:
        def note(error: JsonFileError) -> None:
            self.damage.append(str(error))

        for line in read_json_lines(self.path, damaged=note):
            try:
                token, key, answer = _read_line(line)
            except JsonFileError as error:
                note(error)
            else:
                self._known[token, key] = answer

    def _key(self, context: FrameContext) -> str:
        """Hash everything that a frame's answer depends on."""
        facts = asdict(context)
        facts['images'] = sorted(facts['images'])
        content = json.dumps(facts, default=lambda array: array.tolist())
        total = hashlib.sha256(f'{self._identity}\n{content}'.encode())
        return total.hexdigest()[:_KEY_LETTERS]

    def find(self, context: FrameContext) -> Answer | None:
        """Return the recorded answer of a frame, marked or not, or None."""
        return self._known.get((context.token, self._key(context)))

    def keep(self, context: FrameContext, answer: Answer) -> None:
        """Record an answer."""
        self._writer.append(
            dict(token=context.token, key=self._key(context), **vars(answer))
        )

    def collect(
        self,
        contexts: Sequence[FrameContext],
        advance: Callable[[], object] = lambda: None,
    ) -> dict[str, Answer]:
        """Return the answers to all frames; ask for those not answered yet.

        Args:
            contexts (Sequence[FrameContext]): The frames.
            advance (Callable): Called once for each frame that is answered.

        Returns:
            dict[str, Answer]: By token; marked ones among them.

        Raises:
            UnreachableError: Several frames in a row were not reached. What
                was answered is on record, so the same call asks for the
                others.
            AnnotatorError: The annotator cannot work.
        """
        answers = {c.token: self.find(c) for c in contexts}
        waiting = [
            c
            for c in contexts
            if answers[c.token] is None or answers[c.token].text is None
        ]
        for _ in range(len(contexts) - len(waiting)):
            advance()
        for context, answer in self._ask_all(waiting):
            self.keep(context, answer)
            answers[context.token] = answer
            advance()
        return answers

    def _ask_all(
        self, contexts: Sequence[FrameContext]
    ) -> Iterator[tuple[FrameContext, Answer]]:
        """Yield answers as they come; stop where asking on is in vain."""
        annotator = self._annotator
        hopeless: UnreachableError | AnnotatorError | None = None
        pool = ThreadPoolExecutor(annotator.concurrency)
        try:
            futures = {pool.submit(_ask, annotator, c): c for c in contexts}
            for future in as_completed(futures):
                if future.cancelled():
                    continue
                answer, failure = future.result()
                if hopeless is not None:
                    # Of what was under way, answers count, failures do not.
                    if answer is not None and answer.text is not None:
                        yield futures[future], answer
                    continue
                if answer is not None:
                    yield futures[future], answer
                self._failures = 0 if failure is None else self._failures + 1
                if (
                    isinstance(failure, AnnotatorError)
                    or self._failures == _GIVE_UP_AFTER
                ):
                    hopeless = failure
                    annotator.stop()
                    for other in futures:
                        other.cancel()
            if hopeless is not None:
                raise hopeless
        except BaseException:
            # Ctrl-C, too, must not wait for all that is queued.
            annotator.stop()
            raise
        finally:
            pool.shutdown(cancel_futures=True)


def _ask(
    annotator: Annotator, context: FrameContext
) -> tuple[Answer | None, UnreachableError | AnnotatorError | None]:
    """Return an answer, marked if need be, and why it was not reached."""
    try:
        text = annotator.annotate(context)
    except NoAnswerError as error:
        return Answer(None, str(error)), None
    except UnreachableError as error:
        return Answer(None, str(error)), error
    except AnnotatorError as error:
        return None, error
    try:
        return Answer(text), None
    except ValueError as error:
        return Answer(None, str(error)), None


def _read_line(line: JsonLine) -> tuple[str, str, Answer]:
    """Return token, key and answer of a line of the record.

    Raises:
        JsonFileError: A field is missing, or holds something else.
    """
    text = line.values.get('text', '')
    if text is not None:
        text = line.get_field('text', str)
    token, key, problem = (
        line.get_field(name, str) for name in ('token', 'key', 'problem')
    )
    try:
        return token, key, Answer(text, problem)
    except ValueError as error:
        raise JsonFileError(line.path, str(error), line.number) from None
