"""Change brightness and tint of all views of a frame alike."""

from collections.abc import Sequence

import numpy as np
from mmcv.transforms import BaseTransform

from mmocc.datasets.transforms.frame_rng import frame_rng
from mmocc.registry import TRANSFORMS


@TRANSFORMS.register_module()
class RandomLight(BaseTransform):
    """Scale the colour channels of a frame by random factors.

    All views are scaled alike, so that an object keeps its colour across
    views. Not in the paper; ours.

    Required Keys: ``token``, ``img`` (list of (H, W, 3) uint8).

    Args:
        gain (Sequence[float]): Smallest and largest factor of all channels.
            Defaults to (0.8, 1.2).
        tint (float): Largest difference of a channel's own factor from 1.
            Defaults to 0.05.
    """

    def __init__(
        self, gain: Sequence[float] = (0.8, 1.2), tint: float = 0.05
    ) -> None:
        self.gain, self.tint = tuple(gain), tint

    def transform(self, results: dict) -> dict:
        """Scale the colours of a frame, drawn from seed, epoch and token.

        Args:
            results (dict): Has the required keys.

        Returns:
            dict: ``results`` with a new ``img``.
        """
        rng = frame_rng(results, 'light')
        factors = rng.uniform(*self.gain) * rng.uniform(
            1 - self.tint, 1 + self.tint, 3
        )
        levels = np.arange(256)[:, None] * factors
        table = np.clip(np.rint(levels), 0, 255).astype(np.uint8)  # (256, 3)
        channels = np.arange(3)
        results['img'] = [table[image, channels] for image in results['img']]
        return results
