"""The base of metrics whose statistics add up over frames."""

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from mmengine.dist import get_dist_info
from mmengine.evaluator import BaseMetric
from mmengine.logging import MMLogger

from mmocc.evaluation.metrics.fields import Sample


@dataclass(frozen=True)
class Tally:
    """The sum of some frames' statistics, and the number of frames.

    Not a tuple: mmengine rebuilds the tuples that it gathers.
    """

    total: Any = None
    measured: int = 0
    skipped: int = 0

    @property
    def frames(self) -> int:
        return self.measured + self.skipped

    def join(self, other: 'Tally') -> 'Tally':
        """Return the sum of two sets of frames."""
        if self.total is None or other.total is None:
            total = self.total if other.total is None else other.total
        else:
            total = self.total + other.total
        return Tally(
            total,
            self.measured + other.measured,
            self.skipped + other.skipped,
        )


class SummedMetric(BaseMetric):
    """Keep one running sum per process and gather once.

    A subclass turns a frame into a small statistic that supports ``+``
    (:meth:`measure`) and reads the sum over the whole split (:meth:`scores`).
    Memory does not depend on the number of frames, and any number of
    processes ends in the same sum. Beside its scores a metric gives the
    counts ``frames`` (measured) and ``skipped`` (without ground truth).

    Samplers fill up processes that are one frame short with a frame that
    another process has too. It comes last, so the latest frame is kept apart
    until the next one shows that it belongs here.

    Args:
        collect_device (str): ``cpu`` or ``gpu``. Defaults to 'cpu'.
        prefix (str, optional): Prefix of scores, in place of the class's own.
        collect_dir (str, optional): Shared folder of ``cpu`` collection.
    """

    def __init__(
        self,
        collect_device: str = 'cpu',
        prefix: str | None = None,
        collect_dir: str | None = None,
    ) -> None:
        super().__init__(collect_device, prefix, collect_dir)
        self._settled = self._latest = Tally()

    @abstractmethod
    def measure(self, sample: Sample) -> Any | None:
        """Reduce one frame to its statistic; None without ground truth.

        Raises:
            TypeError, ValueError: The frame cannot be measured; the caller
                adds which frame it is.
        """

    @abstractmethod
    def scores(self, total: Any) -> dict[str, float]:
        """Compute the scores from the sum of all statistics."""

    def process(self, data_batch: Any, data_samples: Sequence[Sample]) -> None:
        """Measure the frames of a batch; the batch's inputs are not read."""
        for sample in data_samples:
            try:
                statistic = self.measure(sample)
            except (TypeError, ValueError) as error:
                raise type(error)(
                    f'{type(self).__name__}, frame {sample.get("token")}: '
                    f'{error}'
                ) from error
            self._settled = self._settled.join(self._latest)
            known = statistic is not None
            self._latest = Tally(statistic, int(known), int(not known))

    def evaluate(self, size: int) -> dict[str, float]:
        """Gather the sums of all processes and compute the scores.

        Args:
            size (int): Frames in the data set, over all processes.
        """
        rank, world_size = get_dist_info()
        share = len(range(rank, size, world_size))
        tally = self._settled
        if tally.frames < share:
            tally = tally.join(self._latest)
        self._settled = self._latest = Tally()
        self.results = [tally]
        return super().evaluate(world_size)

    def compute_metrics(self, results: list[Tally]) -> dict[str, float]:
        """Join the processes' sums and compute the scores."""
        tally = Tally()
        for part in results:
            tally = tally.join(part)
        counts = {'frames': tally.measured, 'skipped': tally.skipped}
        if tally.measured == 0:
            MMLogger.get_current_instance().warning(
                f'{type(self).__name__}: none of {tally.skipped} frames has '
                'ground truth, so there is no score; check the pipeline of '
                'the evaluated data set'
            )
            return counts
        return self.scores(tally.total) | counts
