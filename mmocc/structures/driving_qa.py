"""One question about a frame."""

from typing import Any, NamedTuple


class DrivingQA(NamedTuple):
    """A question about one frame, with its answer where that is known.

    Attributes:
        question (str): Never empty.
        answer (str): Ground truth; empty where unknown.
        task (str): ``qa`` (closed answers, NuScenes-QA), ``caption`` (free
            text) or ``meta_action`` (chain of thought).
        template_type (str): NuScenes-QA's ``exist``, ``count``, ``object``,
            ``status`` or ``comparison``; empty for other tasks.
        num_hop (int): NuScenes-QA's 0 or 1; -1 for other tasks.
    """

    question: str
    answer: str = ''
    task: str = 'qa'
    template_type: str = ''
    num_hop: int = -1

    @property
    def answered(self) -> bool:
        """Whether the answer is known."""
        return is_answer(self.answer)


def is_answer(value: Any) -> bool:
    """Whether a stored value is an answer; the only place that decides.

    Args:
        value (Any): As info and answer files hold it. No answers are None,
            NaN, and texts that are empty or white space; numbers, 0 and
            False among them, are answers.
    """
    if isinstance(value, str):
        return bool(value.strip())
    return value is not None and value == value  # NaN differs from itself


def answer_text(value: Any) -> str:
    """Convert a stored value into the text of an answer; '' for none.

    Args:
        value (Any): As in :func:`is_answer`.
    """
    return str(value) if is_answer(value) else ''
