"""Load Occ3D-nuScenes labels."""

import io

import numpy as np
from mmcv.transforms import BaseTransform
from mmengine.fileio import get

from mmocc.datasets.sample_error import sample_error
from mmocc.infos import InfoFrame
from mmocc.registry import TRANSFORMS
from mmocc.structures import FREE, OccGrid
from mmocc.utils.npz_damage import NPZ_DAMAGE

LABEL_FILE = 'labels.npz'
GRID_SHAPE = OccGrid().shape
_WAY_OUT = (
    "unpack Occ3D-nuScenes' `gts` folder below data_root and run "
    'tools/create_data.py again; or leave such frames out with the data '
    "set's `filter_cfg=dict(require=['occ'])`; or, for a run without "
    'occupancy, take LoadOcc3DFromFile out of the pipeline'
)


@TRANSFORMS.register_module()
class LoadOcc3DFromFile(BaseTransform):
    """Load the occupancy label of a frame from Occ3D's ``labels.npz``.

    Required Keys: ``token``, ``occ_path`` (of the file, or of its folder as
    BEVDet-style info files have it).

    Added Keys: ``voxel_semantics`` (X, Y, Z) uint8, ``mask_camera`` and
    ``mask_lidar`` (X, Y, Z) bool; ego frame of the key frame.

    Args:
        backend_args (dict, optional): mmengine's file backend. Defaults to
            None, local files.
    """

    def __init__(self, backend_args: dict | None = None) -> None:
        self.backend_args = backend_args

    def transform(self, results: dict) -> dict:
        """Load the label of a frame.

        Args:
            results (dict): Has the required keys.

        Returns:
            dict: ``results`` with the added keys.

        Raises:
            SampleError: If the file is missing, is no npz file, or holds
                anything but what Occ3D's files hold.
        """
        token, path = results['token'], InfoFrame(results).occ_path
        if not path:
            raise sample_error(
                token,
                "key 'occ_path'",
                'the frame has no occupancy label',
                'the path of a labels.npz',
                _WAY_OUT,
            )
        if not path.endswith('.npz'):
            path = f'{path.rstrip("/")}/{LABEL_FILE}'
        try:
            data = get(path, backend_args=self.backend_args)
        except FileNotFoundError as error:
            raise sample_error(
                token, path, 'there is no such file', LABEL_FILE, _WAY_OUT
            ) from error
        try:
            with np.load(io.BytesIO(data), allow_pickle=False) as arrays:
                semantics = arrays['semantics']
                masks = {
                    key: arrays[key] for key in ('mask_camera', 'mask_lidar')
                }
        except KeyError as error:
            raise sample_error(
                token,
                path,
                str(error.args[0]),
                'arrays semantics, mask_camera and mask_lidar',
                'the file is no label of Occ3D-nuScenes; fetch it again',
            ) from error
        except NPZ_DAMAGE as error:
            raise sample_error(
                token,
                path,
                f'not readable as plain arrays ({error})',
                'a whole npz file',
                'fetch the file again',
            ) from error
        self._check(token, path, 'semantics', semantics, FREE)
        for key, mask in masks.items():
            self._check(token, path, key, mask, 1)
        results['voxel_semantics'] = semantics.astype(np.uint8, copy=False)
        for key, mask in masks.items():
            results[key] = mask.astype(bool)
        return results

    @staticmethod
    def _check(
        token: str, path: str, key: str, array: np.ndarray, highest: int
    ) -> None:
        """Refuse anything but integers 0 to ``highest`` on the grid."""
        whole = array.dtype.kind in 'biu'
        if array.shape != GRID_SHAPE or not whole:
            got = f'shape {array.shape} and type {array.dtype}'
        elif array.min() < 0 or array.max() > highest:
            got = f'the ids {int(array.min())} to {int(array.max())}'
        else:
            return
        raise sample_error(
            token,
            path,
            f'{key} has {got}',
            f'integers 0 to {highest} of shape {GRID_SHAPE}',
            'the file is no label of Occ3D-nuScenes; fetch it again',
        )
