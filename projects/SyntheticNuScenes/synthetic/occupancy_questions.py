"""Generate questions whose answers follow from the visible voxels.

They ask for what occupancy knows and a list of boxes does not: how far the
way is free, what stands nearest, how far away it is, on which side there are
buildings, plants or side walks. Closed answers, in the file format of
NuScenes-QA, but in files of their own: its vocabulary stays pure.
"""

from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from mmocc.projects.SyntheticNuScenes.synthetic.traffic import (
    EGO_CENTRE,
    EGO_LENGTH,
    EGO_WIDTH,
)
from mmocc.structures.occ3d import FLAT_CLASSES, FREE, OCC3D_CLASSES
from mmocc.structures.occ_grid import OccGrid

KINDS = ('free_space', 'nearest', 'distance', 'side')
BANDS = (
    (5.0, 'less than 5 m'),
    (10.0, '5 to 10 m'),
    (20.0, '10 to 20 m'),
)
FAR = 'more than 20 m'
NOTHING = 'nothing'

_PER_KIND = 2  # questions of each kind in a frame
# Voxels above the ground that are in a car's way: up to 2.4 m.
_LAYERS = 6
_HALF_LANE = 1.2  # metres beside a line that must be free
_NEXT_LANE = 3.5  # metres to the side
_WAYS = ('ahead', 'behind', 'to the left', 'to the right')
# Way, words behind it, metres to the left.
_SPACES = (
    *((way, '', 0.0) for way in _WAYS),
    *(
        (way, f' one lane to the {side}', shift)
        for way in _WAYS[:2]
        for side, shift in (('left', _NEXT_LANE), ('right', -_NEXT_LANE))
    ),
)
# Words for what stands; ground is asked about only by side.
_NAMES = {
    name: name.replace('_', ' ')
    for name in OCC3D_CLASSES
    if name not in (*FLAT_CLASSES, 'free')
} | {
    'manmade': 'manmade structure',
    'others': 'other thing',
    'vegetation': 'plant',
}
# What a side may have: word, class, and voxels that make it worth saying. A
# wall of 5 m x 2 m is 65 voxels.
_SIDE_THINGS = (
    ('a building', 'manmade', 60),
    ('trees or shrubs', 'vegetation', 40),
    ('a side walk', 'sidewalk', 40),
)
_SIDE_REACHES = (8.0, 14.0, 20.0, 30.0)  # metres
_FLAT_IDS = [OCC3D_CLASSES.index(name) for name in FLAT_CLASSES]


class Voxels(NamedTuple):
    """The voxels of a grid that the cameras see.

    Attributes:
        points (np.ndarray): (N, 3) centres of occupied voxels, ego frame.
        labels (np.ndarray): (N,) Occ3D classes.
        stands (np.ndarray): (N,) bool, in a car's way: not flat ground, and
            not above a car.
    """

    points: np.ndarray
    labels: np.ndarray
    stands: np.ndarray


def visible_voxels(semantics: np.ndarray, mask: np.ndarray) -> Voxels:
    """Occupied voxels inside a visibility mask.

    Args:
        semantics (np.ndarray): (X, Y, Z) Occ3D classes.
        mask (np.ndarray): (X, Y, Z) nonzero where a camera sees.
    """
    grid = OccGrid()
    index = np.argwhere((mask > 0) & (semantics != FREE))
    labels = semantics[tuple(index.T)]
    points = grid.minimum + (index + 0.5) * grid.voxel_size
    flat = np.isin(labels, _FLAT_IDS)
    # The height of the ground differs from one data set to another.
    ground = int(np.median(index[flat, 2])) if flat.any() else 0
    above = index[:, 2] - ground
    stands = ~flat & (above > 0) & (above <= _LAYERS)
    return Voxels(points, labels, stands)


def band(distance: float) -> str:
    """Word for a distance in metres."""
    return next((word for limit, word in BANDS if distance < limit), FAR)


def free_way(voxels: Voxels, way: str, shift: float = 0.0) -> float:
    """Metres from the bumper, or the doors, to the first thing in the way.

    Args:
        voxels (Voxels): What is seen.
        way (str): ``ahead``, ``behind``, ``to the left``, ``to the right``.
        shift (float): Metres to the left of the car of a way ahead or behind.

    Returns:
        float: inf where nothing stands there.
    """
    along, across = _aligned(voxels.points[voxels.stands], way)
    half = (EGO_LENGTH if way in _WAYS[:2] else EGO_WIDTH) / 2
    inside = (np.abs(across - shift) < _HALF_LANE) & (along > half)
    return float((along[inside] - half).min(initial=np.inf))


def _aligned(points: np.ndarray, way: str) -> tuple[np.ndarray, np.ndarray]:
    """Distances along a way and across it from the middle of the car."""
    x, y = points[:, 0] - EGO_CENTRE, points[:, 1]
    return {
        'ahead': (x, y),
        'behind': (-x, y),
        'to the left': (y, x),
        'to the right': (-y, x),
    }[way]


def distances(voxels: Voxels) -> dict[str, float]:
    """Metres from the middle of the car to the nearest voxel of each class
    that stands, by the class's word."""
    points, labels = voxels.points[voxels.stands], voxels.labels[voxels.stands]
    away = np.hypot(points[:, 0] - EGO_CENTRE, points[:, 1])
    return {
        word: float(away[labels == OCC3D_CLASSES.index(name)].min())
        for name, word in _NAMES.items()
        if (labels == OCC3D_CLASSES.index(name)).any()
    }


def nearest_in(voxels: Voxels, way: str) -> str:
    """Return the class of the nearest voxel in a quarter around the car."""
    points, labels = voxels.points[voxels.stands], voxels.labels[voxels.stands]
    along, across = _aligned(points, way)
    inside = along > np.abs(across)
    if not inside.any():
        return NOTHING
    away = np.hypot(along, across)
    first = labels[inside][away[inside].argmin()]
    return _NAMES[OCC3D_CLASSES[first]]


def sides_with(voxels: Voxels, name: str, count: int, reach: float) -> str:
    """Which sides of the car have at least ``count`` voxels of a class.

    Args:
        voxels (Voxels): What is seen.
        name (str): Occ3D class.
        count (int): Voxels.
        reach (float): Metres to the side, and as far to front and back.
    """
    points = voxels.points[voxels.labels == OCC3D_CLASSES.index(name)]
    near = (np.abs(points[:, 0] - EGO_CENTRE) < reach) & (
        np.abs(points[:, 1]) < reach
    )
    left = bool((near & (points[:, 1] > 0)).sum() >= count)
    right = bool((near & (points[:, 1] < 0)).sum() >= count)
    if left == right:
        return 'both sides' if left else 'neither side'
    return 'left' if left else 'right'


def candidates(kind: str, voxels: Voxels) -> list[tuple[str, str]]:
    """All questions of a kind with their answers."""
    if kind == 'free_space':
        return [
            (
                f'How far is the space {way}{words} free?',
                band(free_way(voxels, way, shift)),
            )
            for way, words, shift in _SPACES
        ]
    if kind == 'nearest':
        return [
            (f'What is the nearest thing {way}?', nearest_in(voxels, way))
            for way in _WAYS
        ]
    if kind == 'distance':
        away = distances(voxels)
        return [
            (
                f'How far away is the nearest {word}?',
                band(away[word]) if word in away else NOTHING,
            )
            for name, word in _NAMES.items()
            if name != 'others'
        ]
    return [
        (
            f'On which side is there {word} within {reach:.0f} m?',
            sides_with(voxels, name, count, reach),
        )
        for word, name, count in _SIDE_THINGS
        for reach in _SIDE_REACHES
    ]


class OccupancyQuestioner:
    """Generate questions on the frames of a scene with balanced answers.

    Args:
        rng (np.random.Generator): Choice among equally fair questions.
    """

    def __init__(self, rng: np.random.Generator) -> None:
        self.rng = rng
        self.given: Counter = Counter()

    def ask(self, semantics: np.ndarray, mask: np.ndarray) -> list[dict]:
        """Questions about one frame.

        Args:
            semantics (np.ndarray): (200, 200, 16) Occ3D classes.
            mask (np.ndarray): The same shape, nonzero where a camera sees.

        Returns:
            list[dict]: ``question``, ``answer``, ``num_hop`` (always 0),
            ``template_type`` (one of ``KINDS``).
        """
        voxels = visible_voxels(semantics, mask)
        asked = []
        for kind in KINDS:
            options = candidates(kind, voxels)
            for _ in range(_PER_KIND):
                question, answer = self._fairest(kind, options)
                options.remove((question, answer))
                for topic in ((kind,), (kind, question)):
                    self.given[(*topic, answer)] += 1
                asked.append(
                    {
                        'question': question,
                        'answer': answer,
                        'num_hop': 0,
                        'template_type': kind,
                    }
                )
        return asked

    def _fairest(
        self, kind: str, options: Sequence[tuple[str, str]]
    ) -> tuple[str, str]:
        """Choose the question whose answer is hardest to guess."""
        order = self.rng.permutation(len(options))
        return min(
            (options[i] for i in order),
            key=lambda pair: (
                self.given[kind, pair[1]] + self.given[kind, *pair]
            ),
        )
