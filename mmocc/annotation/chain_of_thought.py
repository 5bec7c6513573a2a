"""Chains of thought in four parts (OccVLA, paper Fig. 3)."""

from typing import NamedTuple

from mmocc.structures import MetaAction, parse_meta_action

_NAMES = ('Scene:', 'History:', 'Reasoning:', 'Action:')


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
    parts, rest = [], text
    for name in _NAMES:
        part, found, rest = rest.partition(name)
        if not found:
            return None
        parts.append(part.strip())
    action = parse_meta_action(f'{_NAMES[-1]}{rest}')
    return None if action is None else ChainOfThought(*parts[1:], action)
