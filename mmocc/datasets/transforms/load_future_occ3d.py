"""Occupancy of the key frames to come: labels of forecasts."""

import numpy as np

from mmocc.datasets.transforms.load_occ3d_from_file import (
    GRID_SHAPE,
    LoadOcc3DFromFile,
)
from mmocc.registry import TRANSFORMS
from mmocc.structures import FREE


@TRANSFORMS.register_module()
class LoadFutureOcc3D(LoadOcc3DFromFile):
    """Read the labels of the next key frames, each in its own ego frame.

    Ground truth and nothing else: no input of a model may be made of it.

    Required Keys: ``token``, ``future`` (see
    ``NuScenesOccDataset.num_future``).

    Added Keys: ``future_semantics`` (T, X, Y, Z) uint8, free where there is
    no such frame, ``future_mask_camera`` (T, X, Y, Z) bool, False there, and
    ``future_valid`` (T,) bool.
    """

    def transform(self, results: dict) -> dict:
        """Load the labels after a frame.

        Raises:
            KeyError: If the data set does not look ahead.
            SampleError: If a frame has a broken label.
        """
        if 'future' not in results:
            raise KeyError(
                f'sample {results["token"]} has no "future"; set the data '
                "set's num_future to as many frames as are forecast"
            )
        shape = (len(results['future']), *GRID_SHAPE)
        semantics = np.full(shape, FREE, dtype=np.uint8)
        mask = np.zeros(shape, dtype=bool)
        valid = np.zeros(shape[0], dtype=bool)
        for step, frame in enumerate(results['future']):
            if frame is None or not frame.get('occ_path'):
                continue
            loaded = super().transform(
                dict(token=frame['token'], occ_path=frame['occ_path'])
            )
            semantics[step] = loaded['voxel_semantics']
            mask[step] = loaded['mask_camera']
            valid[step] = True
        results.update(
            future_semantics=semantics,
            future_mask_camera=mask,
            future_valid=valid,
        )
        return results
