"""The wording of the questions that datasets and inferencers put to a model.

A prompt holds what is known at the moment it is asked, nothing later.
"""

from collections.abc import Sequence

from mmocc.structures.meta_action import MetaAction

_QUESTION = 'What should the ego car do next? Past actions: {past}.'
_NOTHING_KNOWN = 'none'


def spell_history(history: Sequence[MetaAction]) -> str:
    """Spell past actions, oldest first.

    Args:
        history (Sequence[MetaAction]): Oldest first; may be empty.

    Returns:
        str: ``(Accelerate, Go Straight) -> (Maintain speed, Turn Left)``, or
        ``none``.
    """
    if not history:
        return _NOTHING_KNOWN
    return ' -> '.join(
        f'({action.speed}, {action.direction})' for action in history
    )


def meta_action_question(history: Sequence[MetaAction]) -> str:
    """Ask for the next meta-action (OccVLA, paper Sec. 3.3).

    The paper feeds past meta-actions into the prompt; its wording is not
    published, this one is ours.

    Args:
        history (Sequence[MetaAction]): Actions of the seconds before the
            frame, oldest first. They must come from poses up to the frame
            only (``mmocc.annotation.history``).

    Returns:
        str: The question.
    """
    return _QUESTION.format(past=spell_history(history))
