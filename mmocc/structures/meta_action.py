"""The meta-action vocabulary of OccVLA and its text form (paper Sec. 3.3).

A meta-action is a pair (speed, direction). Text spells a pair as
``Accelerate; Turn Left.``; chain-of-thought answers end in
``Action: Accelerate; Turn Left.``.
"""

import re
from itertools import product
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from torch import Tensor

SPEEDS = ('Maintain speed', 'Accelerate', 'Decelerate')
DIRECTIONS = (
    'Go Straight',
    'Turn Left',
    'Turn Right',
    'Change Lane Left',
    'Change Lane Right',
    'Stop',
)
ACTION_MARKER = 'Action:'
# Index of a component that has no label; losses and metrics skip it.
IGNORE = -1


class MetaAction(NamedTuple):
    """A pair of words out of ``SPEEDS`` and ``DIRECTIONS``."""

    speed: str
    direction: str

    @property
    def speed_index(self) -> int:
        return SPEEDS.index(self.speed)

    @property
    def direction_index(self) -> int:
        return DIRECTIONS.index(self.direction)

    def __str__(self) -> str:
        return f'{self.speed}; {self.direction}.'


# Speed-major: pair i has speed i // 6 and direction i % 6.
META_ACTIONS = tuple(
    MetaAction(speed, direction)
    for speed, direction in product(SPEEDS, DIRECTIONS)
)

_PAIR = re.compile(
    rf'({"|".join(SPEEDS)})\s*[;,]\s*({"|".join(DIRECTIONS)})', re.IGNORECASE
)
_SPELLING = {word.lower(): word for word in SPEEDS + DIRECTIONS}


def parse_meta_action(text: str) -> MetaAction | None:
    """Read the meta-action that an answer ends in.

    Only the text behind the last ``Action:`` counts, if there is one. Case
    does not matter; a comma does for the semicolon.

    Returns:
        MetaAction or None: None where no legal pair can be read.
    """
    found = _PAIR.findall(text.rpartition(ACTION_MARKER)[2])
    if not found:
        return None
    speed, direction = found[-1]
    return MetaAction(_SPELLING[speed.lower()], _SPELLING[direction.lower()])


def meta_action_marginals(scores: 'Tensor') -> 'tuple[Tensor, Tensor]':
    """Sum probabilities of pairs to those of speeds and of directions.

    Args:
        scores (Tensor): (..., 18) in the order of ``META_ACTIONS``.

    Returns:
        tuple[Tensor, Tensor]: (..., 3) of speeds and (..., 6) of directions.
    """
    pairs = scores.unflatten(-1, (len(SPEEDS), len(DIRECTIONS)))
    return pairs.sum(dim=-1), pairs.sum(dim=-2)
