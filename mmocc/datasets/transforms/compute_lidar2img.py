"""Compute the projection matrices of the views."""

import numpy as np
from mmcv.transforms import BaseTransform

from mmocc.registry import TRANSFORMS


@TRANSFORMS.register_module()
class ComputeLidar2Img(BaseTransform):
    """Compute ``lidar2img`` and ``cam2ego`` of images in their final size.

    ``cam2ego`` leads from a camera *at its own exposure* to the ego frame at
    the LiDAR key frame, the canonical frame: cameras fire up to some 40 ms
    before, in which a car at 10 m/s moves a voxel ahead. It therefore differs
    from the mounting pose of the same name in the info file wherever the car
    moves.

    Required Keys: ``cam2img`` (list of (3, 3)), ``lidar2cam`` (list of
    (4, 4)), ``lidar2ego`` (4, 4).

    Added Keys: ``lidar2img`` (V, 4, 4), ``cam2ego`` (V, 4, 4).
    """

    def transform(self, results: dict) -> dict:
        """Add the matrices of a frame.

        Args:
            results (dict): Has the required keys.

        Returns:
            dict: ``results`` with the added keys, float64.
        """
        lidar2cam = np.stack(results['lidar2cam'])  # (V, 4, 4)
        cam2img = np.tile(np.eye(4), (len(lidar2cam), 1, 1))
        cam2img[:, :3, :3] = np.stack(results['cam2img'])  # (V, 4, 4)
        results['lidar2img'] = cam2img @ lidar2cam
        results['cam2ego'] = results['lidar2ego'] @ np.linalg.inv(lidar2cam)
        return results
