"""Read chains of thought that an earlier run has written."""

import hashlib
import json
from pathlib import Path

from mmocc.annotation.annotator import (
    Annotator,
    AnnotatorError,
    NoAnswerError,
)
from mmocc.annotation.frame_context import FrameContext
from mmocc.projects.DrivingLabels.driving_labels.answer_record import Answer
from mmocc.registry import ANNOTATORS
from mmocc.utils.json_files import (
    JsonFileError,
    read_json_lines,
)


@ANNOTATORS.register_module()
class ReplayAnnotator(Annotator):
    """Answers from a recorded file: ``answers.jsonl`` of an earlier run.

    Args:
        answers (str | Path): JSON lines with ``token`` (str) and ``text``
            (str, or None where there was no answer). The last line of a
            token counts.

    Raises:
        AnnotatorError: The file cannot be read, or a text is no chain of
            thought.
    """

    name = 'replay'

    def __init__(self, answers: str | Path) -> None:
        self.path = Path(answers)
        try:
            lines = read_json_lines(self.path)
        except JsonFileError as error:
            raise AnnotatorError(str(error)) from error
        self._texts: dict[str, str | None] = {}
        for line in lines:
            record = line.values
            if 'token' not in record or 'text' not in record:
                raise AnnotatorError(
                    f'{self.path}, line {line.number}: the keys are '
                    f'{sorted(record)}, expected token and text'
                )
            try:
                token = line.get_field('token', str)
                self._texts[token] = Answer(record['text']).text
            except ValueError as error:
                raise AnnotatorError(
                    f'{self.path}, line {line.number}: {error}'
                ) from error

    @property
    def identity(self) -> dict:
        """Hash of all texts."""
        content = json.dumps(self._texts, sort_keys=True).encode()
        return dict(type=self.name, texts=hashlib.sha256(content).hexdigest())

    def annotate(self, context: FrameContext) -> str:
        """Return the recorded text of a frame (see ``Annotator``)."""
        text = self._texts.get(context.token)
        if text is None:
            raise NoAnswerError(f'{self.path.name} has none')
        return text
