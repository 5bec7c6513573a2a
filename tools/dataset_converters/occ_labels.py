"""Where Occ3D's labels lie: ``gts/SCENE/TOKEN/labels.npz`` below the root."""

from collections.abc import Container
from pathlib import Path

from mmocc.infos import InfoFileError

FOLDER, FILE = 'gts', 'labels.npz'


def find_labels(root: Path, tokens: Container[str]) -> dict[str, Path]:
    """Find the labels of frames, relative to the root, by sample token.

    Args:
        root (Path): Data root. It need not have labels.
        tokens (Container[str]): Sample tokens.

    Raises:
        InfoFileError: There are labels, but none is of one of the frames.
    """
    found = {
        path.parent.name: path.relative_to(root)
        for path in sorted((root / FOLDER).glob(f'*/*/{FILE}'))
        if path.parent.name in tokens
    }
    if not found and any((root / FOLDER).rglob(FILE)):
        raise InfoFileError(label_elsewhere(root))
    return found


def scene_labels(root: Path, scene: str) -> frozenset[str]:
    """Return the tokens of a scene's frames that have a label.

    Args:
        root (Path): Data root.
        scene (str): Name of the scene.
    """
    labels = (root / FOLDER / scene).glob(f'*/{FILE}')
    return frozenset(path.parent.name for path in labels)


def label_elsewhere(root: Path) -> str:
    """Say where labels were looked for, and where they lie.

    Args:
        root (Path): Data root, in which no label of a frame was found.
    """
    expected = root / FOLDER / 'SCENE' / 'TOKEN' / FILE
    path = next((root / FOLDER).rglob(FILE), None)
    if path is None:
        return f'no frame has its Occ3D label at {expected}'
    advice = 'are they the labels of another version of nuScenes?'
    if path.parents[2] != root / FOLDER:
        advice = f'move what is in {path.parents[2]} to {root / FOLDER}'
    return (
        f'no frame has its Occ3D label at {expected}, but there is {path}; '
        f'{advice}'
    )
