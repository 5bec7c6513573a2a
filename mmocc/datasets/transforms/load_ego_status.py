"""Ego motion: past, present and future."""

import numpy as np
from mmcv.transforms import BaseTransform

from mmocc.datasets.sample_error import sample_error
from mmocc.registry import TRANSFORMS
from mmocc.structures import EGO_STATUS
from mmocc.structures.occ3d import NUM_FUTURE, NUM_HISTORY

NO_COMMAND = -1


@TRANSFORMS.register_module()
class LoadEgoStatus(BaseTransform):
    """Put ``gt_ego`` together from the info file.

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
        """Read the ego motion of a frame.

        Raises:
            SampleError: If a part is missing, has another shape, or is not
                finite where its mask says that it exists.
        """
        token = results['token']
        ego = results.get('ego', {})
        parts = {'his_poses', 'his_mask', 'fut_poses', 'fut_mask', 'status'}
        missing = sorted(parts - set(ego))
        if missing and not self.allow_missing:
            raise self._error(token, f'there is no {", ".join(missing)}')
        history, history_mask = self._poses(token, ego, 'his', NUM_HISTORY)
        future, future_mask = self._poses(token, ego, 'fut', NUM_FUTURE)
        status = ego.get('status', {})
        command = ego.get('command', NO_COMMAND)
        results['gt_ego'] = {
            'fut_trajs': future[:, :2],
            'fut_masks': future_mask,
            'his_trajs': history,
            'his_masks': history_mask,
            'status': np.nan_to_num(
                np.array(
                    [status.get(name, np.nan) for name in EGO_STATUS],
                    dtype=np.float32,
                ),
                nan=0.0,
            ),
            'command': np.int64(command if self.with_command else NO_COMMAND),
        }
        return results

    def _poses(
        self, token: str, ego: dict, side: str, steps: int
    ) -> tuple[np.ndarray, np.ndarray]:
        """Poses (steps, 3) float32, zero where the mask (steps,) is False."""
        poses = np.asarray(
            ego.get(f'{side}_poses', np.zeros((steps, 3))), dtype=np.float32
        )
        mask = np.asarray(ego.get(f'{side}_mask', np.zeros(steps)), dtype=bool)
        if poses.shape != (steps, 3) or mask.shape != (steps,):
            raise self._error(
                token,
                f'{side}_poses has shape {poses.shape} and {side}_mask '
                f'{mask.shape}',
            )
        if not np.isfinite(poses[mask]).all():
            raise self._error(
                token, f'{side}_poses is not finite where {side}_mask is True'
            )
        return np.where(mask[:, None], poses, np.float32(0)), mask

    @staticmethod
    def _error(token: str, got: str) -> Exception:
        return sample_error(
            token,
            "key 'ego' of the info file",
            got,
            f'his_poses ({NUM_HISTORY}, 3), his_mask ({NUM_HISTORY},), '
            f'fut_poses ({NUM_FUTURE}, 3), fut_mask ({NUM_FUTURE},), status',
            'make the info file with tools/create_data.py, or set '
            "LoadEgoStatus' `allow_missing` for inference",
        )
