"""The base class of annotators, which write chains of thought.

An annotator is an object of the registry ``ANNOTATORS``. It gets a
``FrameContext`` and returns a chain of thought that ends in a meta-action.
The text of the rule-based one leads to the given label; others may come to
another meta-action, which an arbiter settles (``projects/DrivingLabels``).
"""

from abc import ABC, abstractmethod

from mmocc.annotation.frame_context import FrameContext


class AnnotatorError(RuntimeError):
    """An annotator cannot work at all, for example without its key."""


class UnreachableError(RuntimeError):
    """An annotator could not be reached for a frame; a retry may work."""


class NoAnswerError(RuntimeError):
    """An annotator returned no usable answer for a frame."""


class Annotator(ABC):
    """Writes the chain of thought of a frame.

    Attributes:
        name (str): Short name, such as ``rule``.
        concurrency (int): Largest number of frames that may be annotated at
            the same time.
    """

    name: str
    concurrency = 1

    @property
    @abstractmethod
    def identity(self) -> dict:
        """Return the options that answers depend on, as JSON; no secrets."""

    @abstractmethod
    def annotate(self, context: FrameContext) -> str:
        """Write the chain of thought of a frame.

        Args:
            context (FrameContext): Description of the frame.

        Returns:
            str: ``Scene: ... History: ... Reasoning: ... Action: ...``

        Raises:
            NoAnswerError: There is none; the message says why.
            UnreachableError: The frame can be asked again later.
            AnnotatorError: No frame can be asked.
        """

    def stop(self) -> None:  # noqa: B027, most annotators never wait
        """Make calls of ``annotate`` that wait in other threads end soon."""
