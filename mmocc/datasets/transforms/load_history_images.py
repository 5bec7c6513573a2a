"""Load the images of past key frames, placed by the ego motion."""

import numpy as np

from mmocc.datasets.transforms.load_surround_images import LoadSurroundImages
from mmocc.infos import InfoFrame
from mmocc.registry import TRANSFORMS

# Separates a camera's name from how many key frames ago it fired.
AGE = '@'


@TRANSFORMS.register_module()
class LoadHistoryImages(LoadSurroundImages):
    """Load the views of past key frames behind those of the frame itself.

    Goes behind :class:`LoadSurroundImages`, with the same ``cameras`` and
    ``size``. The views of all frames lie in one list, the frame's own first,
    then one, two, ... key frames (0.5 s each) ago; ``CAM_FRONT@2`` is the
    front camera of two key frames ago. ``lidar2cam`` of a past view leads
    from the LiDAR *now* to the camera *then*, through both ego poses, so that
    a point of the static world projects to where the past image shows it.

    Where the scene has no such frame (at its start, or where the data set's
    filter dropped it), the oldest frame found so far is repeated, the frame
    itself if there is none before it.

    Required Keys: what :class:`LoadSurroundImages` adds; ``history`` (see
    ``NuScenesOccDataset.num_history``) and ``ego2global`` (4, 4).

    Extended Keys: ``img``, ``cam_names``, ``filename``, ``cam2img``,
    ``ori_cam2img``, ``lidar2cam``. Added Keys: ``num_frames``.
    """

    def transform(self, results: dict) -> dict:
        """Load the past views of a frame.

        Args:
            results (dict): Has the required keys.

        Returns:
            dict: ``results`` with the extended and added keys.

        Raises:
            KeyError: If the data set gives no history.
            SampleError: If a past image or calibration is missing or broken.
        """
        if 'history' not in results:
            raise KeyError(
                f'sample {results["token"]} has no "history"; set the data '
                "set's num_history to the number of past frames that "
                'LoadHistoryImages is to load'
            )
        now = self._lidar2global(results)
        oldest, frames = results, []
        for past in results['history']:
            oldest = past or oldest
            frames.append(oldest)
        for age, frame in enumerate(frames, start=1):
            loaded = super().transform(dict(frame))
            motion = np.linalg.inv(self._lidar2global(frame)) @ now
            results['lidar2cam'] += [
                lidar2cam @ motion for lidar2cam in loaded['lidar2cam']
            ]
            results['cam_names'] += [
                f'{name}{AGE}{age}' for name in loaded['cam_names']
            ]
            for key in ('img', 'filename', 'cam2img', 'ori_cam2img'):
                results[key] += loaded[key]
        results['num_frames'] = 1 + len(frames)
        return results

    def _lidar2global(self, frame: dict) -> np.ndarray:
        """Return the LiDAR's pose at the key frame, (4, 4) metres."""
        token = frame['token']
        pose = self._matrix(token, 'the car', frame, 'ego2global', 4)
        return pose @ InfoFrame(frame).lidar2ego
