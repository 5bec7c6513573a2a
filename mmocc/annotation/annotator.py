"""What all annotators have in common.

An annotator is an object of the registry ``ANNOTATORS``. It is told about a
frame (``FrameContext``) and answers with a chain of thought that ends in a
meta-action. The rule-based one leads to the label that it is told; others may
come to another one, which an arbiter settles (``projects/DrivingLabels``).
"""

from abc import ABC, abstractmethod

from mmocc.annotation.frame_context import FrameContext


class AnnotatorError(RuntimeError):
    """An annotator cannot work at all; asking for more frames is no use."""


class UnreachableError(RuntimeError):
    """An annotator did not get through for a frame; later it may."""


class NoAnswerError(RuntimeError):
    """An annotator was asked and has no usable answer for a frame."""


class Annotator(ABC):
    """The interface of annotators.

    Attributes:
        name (str): Short name, such as ``rule``.
        concurrency (int): Frames to ask for at the same time at most.
    """

    name: str
    concurrency = 1

    @property
    @abstractmethod
    def identity(self) -> dict:
        """All options that answers depend on, as JSON; no secrets."""

    @abstractmethod
    def annotate(self, context: FrameContext) -> str:
        """Write the answer for a frame.

        Args:
            context (FrameContext): The frame.

        Returns:
            str: ``Scene: ... History: ... Reasoning: ... Action: ...``

        Raises:
            NoAnswerError: There is none; the message says why.
            UnreachableError: The frame can be asked again later.
            AnnotatorError: No frame can be asked.
        """

    def stop(self) -> None:  # noqa: B027, most annotators never wait
        """Make ``annotate`` give up soon, in whatever thread it waits."""
