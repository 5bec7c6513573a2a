"""Reproducible random draws for transforms of other packages."""

import random
from collections.abc import Callable, Sequence

import numpy as np
from mmcv.transforms import BaseTransform
from mmengine.dataset import Compose

from mmocc.datasets.transforms.frame_rng import frame_rng
from mmocc.registry import TRANSFORMS


@TRANSFORMS.register_module()
class SeededTransforms(BaseTransform):
    """Run transforms that use the global random generators, reproducibly.

    Transforms of mmcv, mmdet and mmdet3d draw from ``np.random`` and
    ``random``. Inside this wrapper both are seeded by the run's seed, the
    epoch and the sample token, and their states are restored afterwards.

    Args:
        transforms (Sequence[dict | Callable]): The transforms.
    """

    def __init__(self, transforms: Sequence[dict | Callable]) -> None:
        self.transforms = Compose(list(transforms))

    def transform(self, results: dict) -> dict:
        """Run the transforms on a frame.

        Args:
            results (dict): Has ``token`` and the keys that they require.

        Returns:
            dict: What the last transform returns.
        """
        seed = int(frame_rng(results, 'seeded_transforms').integers(1 << 32))
        numpy_state, python_state = np.random.get_state(), random.getstate()
        np.random.seed(seed)
        random.seed(seed)
        try:
            return self.transforms(results)
        finally:
            np.random.set_state(numpy_state)
            random.setstate(python_state)
