"""Questions of NuScenes-QA, by sample."""

import json
from pathlib import Path

from dataset_converters.nuscenes_tables import TableError
from dataset_converters.sources import SOURCES

_FOLDER = 'NuScenes_QA'
_FILE = 'NuScenes_{split}_questions.json'
_SOURCE = f'{SOURCES["qa"]}, or leave out --qa'


def question_file(root: Path, split: str) -> Path:
    """Path of the questions of a split."""
    return Path(root) / _FOLDER / _FILE.format(split=split)


def load_questions(root: Path, split: str) -> dict[str, list[dict]]:
    """Read the questions of a split.

    Args:
        root (Path): The data root, which holds ``NuScenes_QA/``.
        split (str): ``train`` or ``val``.

    Returns:
        dict: Lists of ``question, answer, template_type, num_hop`` by sample
        token, in the order of the file. Answers are strings: counts may be
        numbers in the file.

    Raises:
        TableError: The file is missing or broken.
    """
    path = question_file(root, split)
    if not path.is_file():
        raise TableError(f'the file {path} does not exist; {_SOURCE}')
    questions: dict[str, list[dict]] = {}
    try:
        for row in json.loads(path.read_text(encoding='utf-8'))['questions']:
            questions.setdefault(row['sample_token'], []).append(
                dict(
                    question=row['question'],
                    answer=str(row['answer']),
                    template_type=row['template_type'],
                    num_hop=int(row['num_hop']),
                )
            )
    except (json.JSONDecodeError, KeyError, TypeError, ValueError) as error:
        raise TableError(
            f'{path} is not a NuScenes-QA question file ({error!r}); {_SOURCE}'
        ) from error
    return questions
