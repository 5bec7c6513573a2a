"""OmniDrive's text about a key frame, as questions and answers.

OmniDrive (Wang et al., CVPR 2025) keeps up to four files for a key frame,
``<kind>/<split>/<sample token>.json``; any may be missing. ``desc`` and
``keywords`` have no question, so the questions below, which are ours, stand
before them.
"""

import json
from pathlib import Path

from dataset_converters.nuscenes_tables import TableError
from dataset_converters.sources import SOURCES

KINDS = ('desc', 'conv', 'vqa', 'keywords')
SPLITS = ('train', 'val')
DESCRIPTION_QUESTION = 'Describe the driving scene.'
ACTION_QUESTION = 'What should the car do next, and why?'
KEYWORDS_QUESTION = 'Name the next driving action in a few words.'


def omnidrive_files(folder: Path, split: str, token: str) -> dict[str, Path]:
    """Paths by kind of a key frame, whether they exist or not."""
    return {
        kind: Path(folder) / kind / split / f'{token}.json' for kind in KINDS
    }


def load_captions(folder: Path, split: str, token: str) -> list[dict]:
    """Read what OmniDrive says about a key frame.

    Args:
        folder (Path): Holds ``conv``, ``desc``, ``vqa`` and ``keywords``.
        split (str): ``train`` or ``val``.
        token (str): Sample token.

    Returns:
        list[dict]: ``question``, ``answer`` and ``template_type`` (the kind
        of file), in the order of ``KINDS``; empty without any file.

    Raises:
        TableError: A file is not what OmniDrive writes.
    """
    captions = []
    for kind, path in omnidrive_files(folder, split, token).items():
        for question, answer in read_pairs(kind, path):
            captions.append(
                dict(question=question, answer=answer, template_type=kind)
            )
    return captions


def read_pairs(kind: str, path: Path) -> list[tuple[str, str]]:
    """Questions and answers of one file; none if it does not exist.

    Raises:
        TableError: The file is not what OmniDrive writes.
    """
    try:
        text = path.read_text(encoding='utf-8')
    except FileNotFoundError:
        return []
    except (OSError, UnicodeDecodeError) as error:
        raise _broken(path, error) from error
    try:
        pairs = _pairs(kind, json.loads(text))
    except (json.JSONDecodeError, KeyError, TypeError) as error:
        raise _broken(path, error) from error
    if not all(isinstance(word, str) for pair in pairs for word in pair):
        raise _broken(path, TypeError('a question or answer is no text'))
    return pairs


def _pairs(kind: str, content: object) -> list[tuple[str, str]]:
    if kind == 'desc':
        return [
            (DESCRIPTION_QUESTION, content['description']),
            (ACTION_QUESTION, content['action']),
        ]
    if kind == 'keywords':
        return [(KEYWORDS_QUESTION, content)]
    return [(pair['question'], pair['answer']) for pair in content]


def _broken(path: Path, error: Exception) -> TableError:
    return TableError(
        f'{path} is not a text file of OmniDrive ({error!r}); '
        f'{SOURCES["omnidrive"]}'
    )


def check_folder(folder: Path, split: str) -> None:
    """Fail early where a folder holds nothing of OmniDrive.

    Raises:
        TableError: None of the kinds is there for this split.
    """
    places = [Path(folder) / kind / split for kind in KINDS]
    if not any(place.is_dir() for place in places):
        raise TableError(
            f'the folder {folder} has none of '
            f'{", ".join(f"{kind}/{split}" for kind in KINDS)}; '
            f'{SOURCES["omnidrive"]}, or leave out --omnidrive'
        )
