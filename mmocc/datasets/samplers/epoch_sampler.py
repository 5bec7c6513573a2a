"""A sampler that announces each epoch to the data set."""

from collections.abc import Iterator, Sized

from mmengine.dataset import DefaultSampler

from mmocc.registry import DATA_SAMPLERS


def _leaves(dataset: Sized) -> Iterator[Sized]:
    """Yield the data sets inside mmengine's and torch's wrappers."""
    if hasattr(dataset, 'set_epoch'):
        yield dataset
    elif hasattr(dataset, 'datasets'):
        for child in dataset.datasets:
            yield from _leaves(child)
    elif hasattr(dataset, 'dataset'):
        yield from _leaves(dataset.dataset)


@DATA_SAMPLERS.register_module()
class EpochSampler(DefaultSampler):
    """mmengine's ``DefaultSampler`` that announces epochs to the data set.

    Random transforms draw from seed, epoch and token. Loader processes stay
    alive between epochs and know neither seed nor epoch, so this sampler
    announces both when an epoch starts. A run that is resumed at an epoch
    therefore draws what the uninterrupted run would have drawn.

    Args:
        dataset (Sized): A data set, or wrappers of mmengine or torch around
            data sets.
        shuffle (bool): Whether each epoch has another order. Defaults to
            True.
        seed (int, optional): The run's seed, the same in all processes.
            Defaults to None, a random one that the processes agree on.
        round_up (bool): Whether all processes get equally many frames, some
            of them twice. Defaults to True.
    """

    def __init__(
        self,
        dataset: Sized,
        shuffle: bool = True,
        seed: int | None = None,
        round_up: bool = True,
    ) -> None:
        super().__init__(dataset, shuffle, seed, round_up)
        self._announce()

    def __iter__(self) -> Iterator[int]:
        self._announce()
        return super().__iter__()

    def _announce(self) -> None:
        for dataset in _leaves(self.dataset):
            dataset.set_epoch(self.seed, self.epoch)
