"""Load the occupancy labels of the next key frames, for forecasts."""

import numpy as np

from mmocc.datasets.transforms.load_occ3d_from_file import (
    GRID_SHAPE,
    LoadOcc3DFromFile,
)
from mmocc.infos import InfoFrame
from mmocc.registry import TRANSFORMS
from mmocc.structures import FREE


@TRANSFORMS.register_module()
class LoadFutureOcc3D(LoadOcc3DFromFile):
    """Load the Occ3D labels of the next key frames, each in its ego frame.

    They are ground truth: no input of a model may be made of them.

    Required Keys: ``token``, ``future`` (see
    ``NuScenesOccDataset.num_future``).

    Added Keys: ``future_semantics`` (T, X, Y, Z) uint8, free where there is
    no such frame, ``future_mask_camera`` (T, X, Y, Z) bool, False there, and
    ``future_valid`` (T,) bool.
    """

    def transform(self, results: dict) -> dict:
        """Load the labels of the frames behind this one.

        Args:
            results (dict): Has the required keys.

        Returns:
            dict: ``results`` with the added keys.

        Raises:
            KeyError: If the data set gives no future.
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
        for step, info in enumerate(results['future']):
            frame = info and InfoFrame(info)
            if frame is None or not frame.occ_path:
                continue
            loaded = super().transform(
                dict(token=frame.token, occ_path=frame.occ_path)
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
