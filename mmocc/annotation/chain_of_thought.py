"""Chains of thought in four parts (OccVLA, paper Fig. 3)."""

import re
from typing import NamedTuple

from mmocc.structures import MetaAction, parse_meta_action

_PARTS = re.compile(
    r'Scene:\s*(.*?)\s*History:\s*(.*?)\s*Reasoning:\s*(.*?)\s*(Action:.*)',
    re.DOTALL,
)


class ChainOfThought(NamedTuple):
    """A chain of thought: scene, history, reasoning and meta-action.

    The first three are one or more sentences each. ``str()`` gives the text
    that a model learns to write.
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
    """Parse the text of a chain of thought into its four parts.

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
