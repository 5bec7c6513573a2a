"""Load the ego motion: past, present and future."""

import numpy as np
from mmcv.transforms import BaseTransform

from mmocc.datasets.sample_error import SampleError, sample_error
from mmocc.infos import InfoFrame
from mmocc.registry import TRANSFORMS
from mmocc.structures import EGO_STATUS
from mmocc.structures.occ3d import NUM_FUTURE, NUM_HISTORY

NO_COMMAND = -1
_PARTS = ('fut_mask', 'fut_poses', 'his_mask', 'his_poses', 'status')


@TRANSFORMS.register_module()
class LoadEgoStatus(BaseTransform):
    """Load ego history, future and status from the info file.

    A status value that the data does not have (NaN in the info file, such as
    the steering angle without a CAN bus) becomes 0; a pose that does not
    exist is 0 with a False mask. All values are in the canonical frame.

    Required Keys: ``token``, ``ego``.

    Added Keys: ``gt_ego``, a dict of NumPy arrays with the content that
    ``OccDataSample`` documents.

    Args:
        with_command (bool): Whether to hand on the driving command of the
            info file. Published commands are taken from the ground truth
            future, so this is off unless a paper's protocol wants it.
            Defaults to False.
        allow_missing (bool): Whether a frame without ``ego``, or with parts
            of it only, counts as one whose motion is unknown: for inference.
            Defaults to False, an error.
    """

    def __init__(
        self, with_command: bool = False, allow_missing: bool = False
    ) -> None:
        self.with_command = with_command
        self.allow_missing = allow_missing

    def transform(self, results: dict) -> dict:
        """Load the ego motion of a frame.

        Args:
            results (dict): Has the required keys.

        Returns:
            dict: ``results`` with ``gt_ego``.

        Raises:
            SampleError: If a part is missing, has another shape, or is not
                finite where its mask says that it exists.
        """
        frame = InfoFrame(results)
        missing = [part for part in _PARTS if f'ego.{part}' not in frame]
        if missing and not self.allow_missing:
            raise _error(frame, f'there is no {", ".join(missing)}')
        history, history_mask = _poses(frame, 'his', NUM_HISTORY)
        future, future_mask = _poses(frame, 'fut', NUM_FUTURE)
        status = np.zeros(len(EGO_STATUS))
        if 'ego.status' in frame:
            status = np.nan_to_num(frame.status_vector, nan=0.0)
        command = NO_COMMAND
        if self.with_command and 'ego.command' in frame:
            command = frame.read('ego.command')
        results['gt_ego'] = {
            'fut_trajs': future[:, :2],
            'fut_masks': future_mask,
            'his_trajs': history,
            'his_masks': history_mask,
            'status': status.astype(np.float32),
            'command': np.int64(command),
        }
        return results


def _poses(
    frame: InfoFrame, side: str, steps: int
) -> tuple[np.ndarray, np.ndarray]:
    """Return poses (steps, 3) float32, 0 where the mask (steps,) is False."""
    poses, mask = np.zeros((steps, 3)), np.zeros(steps)
    if f'ego.{side}_poses' in frame:
        poses = frame.read(f'ego.{side}_poses')
    if f'ego.{side}_mask' in frame:
        mask = frame.read(f'ego.{side}_mask')
    poses = np.asarray(poses, dtype=np.float32)
    mask = np.asarray(mask, dtype=bool)
    if poses.shape != (steps, 3) or mask.shape != (steps,):
        raise _error(
            frame,
            f'{side}_poses has shape {poses.shape} and {side}_mask '
            f'{mask.shape}',
        )
    if not np.isfinite(poses[mask]).all():
        raise _error(
            frame, f'{side}_poses is not finite where {side}_mask is True'
        )
    return np.where(mask[:, None], poses, np.float32(0)), mask


def _error(frame: InfoFrame, got: str) -> SampleError:
    return sample_error(
        frame.token,
        "key 'ego' of the info file",
        got,
        f'his_poses ({NUM_HISTORY}, 3), his_mask ({NUM_HISTORY},), '
        f'fut_poses ({NUM_FUTURE}, 3), fut_mask ({NUM_FUTURE},), status',
        'make the info file with tools/create_data.py, or set '
        "LoadEgoStatus' `allow_missing` for inference",
    )
