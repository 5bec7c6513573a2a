"""One question about a frame."""

from typing import NamedTuple


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
