"""Brighter or darker, warmer or colder: the same for all views of a frame."""

from collections.abc import Sequence

import numpy as np
from mmcv.transforms import BaseTransform

from mmocc.datasets.transforms.frame_rng import frame_rng
from mmocc.registry import TRANSFORMS


@TRANSFORMS.register_module()
class RandomLight(BaseTransform):
    """Scale the colours of a frame, as another hour or camera would.

    All views are scaled alike, so that what is the same thing in two views
    stays so. Not in the paper; ours.

    Required Keys: ``token``, ``img`` (list of (H, W, 3) uint8).

    Args:
        gain (Sequence[float]): Least and largest factor on all channels.
            Defaults to (0.8, 1.2).
        tint (float): Each channel's own factor is 1 up to plus or minus
            this. Defaults to 0.05.
    """

    def __init__(
        self, gain: Sequence[float] = (0.8, 1.2), tint: float = 0.05
    ) -> None:
        self.gain, self.tint = tuple(gain), tint

    def transform(self, results: dict) -> dict:
        """Relight a frame; draws from seed, epoch and token."""
        rng = frame_rng(results, 'light')
        factors = rng.uniform(*self.gain) * rng.uniform(
            1 - self.tint, 1 + self.tint, 3
        )
        levels = np.arange(256)[:, None] * factors
        table = np.clip(np.rint(levels), 0, 255).astype(np.uint8)  # (256, 3)
        channels = np.arange(3)
        results['img'] = [table[image, channels] for image in results['img']]
        return results
