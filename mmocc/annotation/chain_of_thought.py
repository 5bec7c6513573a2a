"""The four-part answer: scene, history, reasoning, action (paper Fig. 3)."""

import re
from typing import NamedTuple

from mmocc.structures import MetaAction, parse_meta_action

_PARTS = re.compile(
    r'Scene:\s*(.*?)\s*History:\s*(.*?)\s*Reasoning:\s*(.*?)\s*(Action:.*)',
    re.DOTALL,
)


class ChainOfThought(NamedTuple):
    """The parts of an answer; each but the last is one or more sentences.

    ``str()`` gives the text that a model learns to write.
    """

    scene: str
    history: str
    reasoning: str
    action: MetaAction

    def __str__(self) -> str:
        return (
            f'Scene: {self.scene} History: {self.history} '
            f'Reasoning: {self.reasoning} Action: {self.action}'
        )


def parse_chain_of_thought(text: str) -> ChainOfThought | None:
    """Read the four parts back.

    Returns:
        ChainOfThought or None: None where a part or a legal action is
        missing.
    """
    found = _PARTS.search(text)
    if not found:
        return None
    action = parse_meta_action(found[4])
    if action is None:
        return None
    return ChainOfThought(found[1], found[2], found[3], action)
