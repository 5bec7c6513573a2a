"""Ask an annotator about many frames, and write down each answer at once.

The record is a file of JSON lines. A run that was killed goes on behind its
last line; what it asked is not asked again unless frame or annotator changed.
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
from mmocc.annotation.frame_context import FrameContext
from mmocc.utils.json_files import (
    JsonLinesWriter,
    read_json_lines,
)

# Frames that fail one behind the other until a run ends: the endpoint is
# down, and each further frame would wait for all its attempts.
_GIVE_UP_AFTER = 3
_KEY_LETTERS = 20


@dataclass(frozen=True)
class Answer:
    """Answer of an annotator about a frame.

    Attributes:
        text (str or None): The chain of thought.
        problem (str): Why there is none, else ''.
    """

    text: str | None
    problem: str = ''


class AnswerRecord:
    """Answers of one annotator, kept on disk.

    Args:
        path (Path): A file of JSON lines with ``token``, ``key``, ``text``
            and ``problem``.
        annotator (Annotator): Annotator that answers.
    """

    def __init__(self, path: Path, annotator: Annotator) -> None:
        self.path = Path(path)
        self._annotator = annotator
        self._identity = json.dumps(annotator.identity, sort_keys=True)
        self._writer = JsonLinesWriter(self.path)
        self._known = {
            (line.values.get('token'), line.values.get('key')): line.values
            for line in (
                read_json_lines(self.path) if self.path.is_file() else ()
            )
        }

    def _key(self, context: FrameContext) -> str:
        """Hash everything that a frame's answer depends on."""
        facts = asdict(context)
        facts['images'] = sorted(facts['images'])
        content = json.dumps(facts, default=lambda array: array.tolist())
        total = hashlib.sha256(f'{self._identity}\n{content}'.encode())
        return total.hexdigest()[:_KEY_LETTERS]

    def find(self, context: FrameContext) -> Answer | None:
        """Return the recorded answer of a frame, or None."""
        record = self._known.get((context.token, self._key(context)))
        if record is None:
            return None
        return Answer(record['text'], record['problem'])

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
        """Return the answers to all frames; ask for those not on record.

        Args:
            contexts (Sequence[FrameContext]): The frames.
            advance (Callable): Called once for each frame that is answered.

        Returns:
            dict[str, Answer]: By token.

        Raises:
            UnreachableError: Frames are left without an answer. What was
                answered is on record, so the same call asks for the others.
            AnnotatorError: The annotator cannot work.
        """
        answers = {c.token: self.find(c) for c in contexts}
        waiting = [c for c in contexts if answers[c.token] is None]
        for _ in range(len(contexts) - len(waiting)):
            advance()
        problem: UnreachableError | AnnotatorError | None = None
        for context, result in _ask_all(self._annotator, waiting):
            if isinstance(result, Answer):
                self.keep(context, result)
                answers[context.token] = result
                advance()
            elif problem is None or isinstance(result, AnnotatorError):
                problem = result
        if problem is not None:
            raise problem
        return answers


def _ask(
    annotator: Annotator, context: FrameContext
) -> Answer | UnreachableError | AnnotatorError:
    try:
        return Answer(annotator.annotate(context))
    except NoAnswerError as error:
        return Answer(None, str(error))
    except (UnreachableError, AnnotatorError) as error:
        return error


def _ask_all(
    annotator: Annotator, contexts: Sequence[FrameContext]
) -> Iterator[tuple[FrameContext, Answer | UnreachableError | AnnotatorError]]:
    """Yield results as they come; stop after several failures in a row."""
    failures = 0
    pool = ThreadPoolExecutor(annotator.concurrency)
    try:
        futures = {pool.submit(_ask, annotator, c): c for c in contexts}
        for future in as_completed(futures):
            if future.cancelled():
                continue
            result = future.result()
            failures = 0 if isinstance(result, Answer) else failures + 1
            hopeless = isinstance(result, AnnotatorError)
            if hopeless or failures == _GIVE_UP_AFTER:
                annotator.stop()
                for other in futures:
                    other.cancel()
            yield futures[future], result
    except BaseException:
        # Ctrl-C, too, must not wait for all that is queued.
        annotator.stop()
        raise
    finally:
        pool.shutdown(cancel_futures=True)
