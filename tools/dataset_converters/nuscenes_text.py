"""Questions of NuScenes-QA and texts of OmniDrive about key frames.

OmniDrive (Wang et al., CVPR 2025) keeps up to four files per key frame,
``<kind>/<split>/<sample token>.json``; any may be missing. ``desc`` and
``keywords`` have no question, so the questions below, which are ours, are
put before them.
"""

from pathlib import Path

from dataset_converters.data_parts import DOWNLOADS, SPLITS
from dataset_converters.nuscenes_tables import TableError, read_download
from mmocc.structures.driving_qa import answer_text

# nuScenes put scenes of its validation split into the training part of mini,
# and NuScenes-QA and OmniDrive follow the splits of nuScenes.
_MIXED_VERSION = 'v1.0-mini'
_QA_FILE = 'NuScenes_QA/NuScenes_{split}_questions.json'
_GET_QA = f'{DOWNLOADS["qa"]}, or leave out --qa'
# What a file of each kind holds.
_CONTENT = {'desc': dict, 'conv': list, 'vqa': list, 'keywords': str}
KINDS = tuple(_CONTENT)
DESCRIPTION_QUESTION = 'Describe the driving scene.'
ACTION_QUESTION = 'What should the car do next, and why?'
KEYWORDS_QUESTION = 'Name the next driving action in a few words.'


def text_splits(version: str, split: str) -> tuple[str, ...]:
    """Return the splits in whose files texts about a split are found.

    Args:
        version (str): Version of nuScenes, such as ``v1.0-mini``.
        split (str): Split of that version.
    """
    return tuple(SPLITS[version]) if version == _MIXED_VERSION else (split,)


def question_file(root: Path, split: str) -> Path:
    """Return the path of NuScenes-QA's questions of a split."""
    return Path(root) / _QA_FILE.format(split=split)


def load_questions(root: Path, split: str) -> dict[str, list[dict]]:
    """Read NuScenes-QA's questions of a split.

    Args:
        root (Path): Data root, which holds ``NuScenes_QA/``.
        split (str): ``train`` or ``val``.

    Returns:
        dict: Lists of ``question, answer, template_type, num_hop`` by sample
        token, in the order of the file. Answers are strings: counts may be
        numbers in the file, and null is '', no answer.

    Raises:
        TableError: The file is missing or damaged.
    """
    path = question_file(root, split)
    if not path.is_file():
        raise TableError(f'the file {path} does not exist; {_GET_QA}')
    name = 'the NuScenes-QA question file'
    content = read_download(path, name, dict, _GET_QA)
    questions: dict[str, list[dict]] = {}
    try:
        for row in content['questions']:
            questions.setdefault(row['sample_token'], []).append(
                dict(
                    question=_question(row['question']),
                    answer=_answer(row['answer']),
                    template_type=row['template_type'],
                    num_hop=int(row['num_hop']),
                )
            )
    except (KeyError, TypeError, ValueError) as error:
        raise TableError(
            f'{path} is not a NuScenes-QA question file ({error!r}); {_GET_QA}'
        ) from error
    return questions


def omnidrive_files(folder: Path, split: str, token: str) -> dict[str, Path]:
    """Return OmniDrive's paths of a key frame by kind, existing or not."""
    return {
        kind: Path(folder) / kind / split / f'{token}.json' for kind in KINDS
    }


def load_captions(folder: Path, split: str, token: str) -> list[dict]:
    """Read OmniDrive's questions and answers about a key frame.

    Args:
        folder (Path): Folder of ``conv``, ``desc``, ``vqa`` and ``keywords``.
        split (str): ``train`` or ``val``.
        token (str): Sample token.

    Returns:
        list[dict]: ``question``, ``answer`` and ``template_type`` (the kind
        of file), in the order of ``KINDS``; empty without any file.

    Raises:
        TableError: A file does not have OmniDrive's format.
    """
    return [
        dict(question=question, answer=answer, template_type=kind)
        for kind, path in omnidrive_files(folder, split, token).items()
        for question, answer in read_pairs(kind, path)
    ]


def read_pairs(kind: str, path: Path) -> list[tuple[str, str]]:
    """Read (question, answer) pairs of one file; none if it does not exist.

    An answer is '' where the file has none.

    Raises:
        TableError: The file does not have OmniDrive's format.
    """
    if not path.is_file():
        return []
    content = read_download(
        path, "OmniDrive's text file", _CONTENT[kind], DOWNLOADS['omnidrive']
    )
    try:
        return [
            (_question(question), _answer(answer))
            for question, answer in _pairs(kind, content)
        ]
    except (KeyError, TypeError) as error:
        raise TableError(
            f'{path} is not a text file of OmniDrive ({error!r}); '
            f'{DOWNLOADS["omnidrive"]}'
        ) from error


def _question(value: object) -> str:
    if not isinstance(value, str) or not value.strip():
        raise TypeError(f'a question is {value!r}, expected words')
    return value


def _answer(value: object) -> str:
    if isinstance(value, dict | list):
        raise TypeError('an answer is no text')
    return answer_text(value)


def _pairs(kind: str, content: object) -> list[tuple[str, str]]:
    if kind == 'desc':
        return [
            (DESCRIPTION_QUESTION, content['description']),
            (ACTION_QUESTION, content['action']),
        ]
    if kind == 'keywords':
        return [(KEYWORDS_QUESTION, content)]
    return [(pair['question'], pair['answer']) for pair in content]


def check_omnidrive_folder(folder: Path, split: str) -> None:
    """Check that a folder holds any of OmniDrive's kinds of a split.

    Raises:
        TableError: None of them is there.
    """
    places = [Path(folder) / kind / split for kind in KINDS]
    if not any(place.is_dir() for place in places):
        raise TableError(
            f'the folder {folder} has none of '
            f'{", ".join(f"{kind}/{split}" for kind in KINDS)}; '
            f'{DOWNLOADS["omnidrive"]}, or leave out --omnidrive'
        )
