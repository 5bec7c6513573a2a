"""Mirror a frame: left becomes right in images, geometry and texts."""

import re

import numpy as np
from mmcv.transforms import BaseTransform

from mmocc.datasets.sample_error import SampleError, sample_error
from mmocc.datasets.transforms.frame_rng import frame_rng
from mmocc.registry import TRANSFORMS
from mmocc.structures import DIRECTIONS, EGO_STATUS
from mmocc.structures.meta_action import IGNORE

# Ego frame: y points left. LiDAR frame: x points right. Camera: x right.
_MIRROR_EGO = np.diag([1.0, -1.0, 1.0, 1.0])
_MIRROR_X = np.diag([-1.0, 1.0, 1.0, 1.0])
_STATUS_SIGN = np.array(
    [
        -1.0 if name in ('vy', 'ay', 'yaw_rate', 'steer') else 1.0
        for name in EGO_STATUS
    ],
    dtype=np.float32,
)
_POSE_SIGN = np.array([1.0, -1.0, -1.0], dtype=np.float32)  # x, y, yaw
# Position, quaternion (w, x, y, z), acceleration, rotation rate, velocity,
# two yaw angles. Rotations are pseudovectors: their y component stays.
_CAN_BUS_SIGN = np.array(
    [1, -1, 1, 1, -1, 1, -1, 1, -1, 1, -1, 1, -1, 1, -1, 1, -1, -1],
    dtype=np.float64,
)
# What loaders have read: nothing later in the pipeline may read the side
# that was not mirrored.
_CONSUMED = (
    'images',
    'lidar_points',
    'occ_path',
    'ego',
    'qa',
    'captions',
    'cot',
    'meta_action',
    'his_meta_actions',
    'ann_info',
    'history',
    'future',
)
_OTHER_SIDE = {
    'left': 'right',
    'right': 'left',
    'Left': 'Right',
    'Right': 'Left',
    'LEFT': 'RIGHT',
    'RIGHT': 'LEFT',
}
# Whole words, also inside CAM_FRONT_LEFT, leftmost and right-hand; a right of
# way has no side.
_SIDE = re.compile(
    r'(?<![A-Za-z])(left|right|Left|Right|LEFT|RIGHT)'
    r'(?=most|hand|wards?|MOST|HAND|(?![A-Za-z]))(?![ -]of[ -]way)'
)


def mirror_text(text: str) -> str:
    """Swap the words for left and right in a text; its own inverse."""
    return _SIDE.sub(lambda match: _OTHER_SIDE[match[0]], text)


def mirror_direction(index: int) -> int:
    """Swap left and right of a direction's index; its own inverse."""
    if index == IGNORE:
        return index
    return DIRECTIONS.index(mirror_text(DIRECTIONS[index]))


@TRANSFORMS.register_module()
class RandomMirror(BaseTransform):
    """Mirror a frame at the plane y = 0 of the ego frame, at random.

    Images are flipped and left and right cameras change places; intrinsics,
    extrinsics, occupancy with its masks, ego motion, boxes, meta-action and
    the words of texts follow, so that a mirrored frame is as consistent as
    the one it came from. Mirrored twice, a frame is what it was.

    Goes behind all loaders and in front of ``ComputeLidar2Img`` and
    ``TokenizeQA``. Keys of the info file that the loaders have read are
    dropped. Coordinates in texts are not changed. Mind that the mirror turns
    right-hand into left-hand traffic. Not in the paper; ours.

    Required Keys: ``token``; all others are mirrored where they are.

    Args:
        prob (float): Probability that a frame is mirrored, drawn from seed,
            epoch and token. Defaults to 0.5.
    """

    def __init__(self, prob: float = 0.5) -> None:
        self.prob = prob

    def transform(self, results: dict) -> dict:
        """Mirror a frame or leave it as it is.

        Args:
            results (dict): What the loaders have added.

        Returns:
            dict: ``results``, mirrored or not.

        Raises:
            SampleError: If a camera has no counterpart, the frame has a
                driving command, whose coding is unknown here, or the
                transform stands at the wrong place.
        """
        for key, name in (
            ('lidar2img', 'ComputeLidar2Img'),
            ('input_ids', 'TokenizeQA'),
        ):
            if key in results:
                raise self._error(
                    results, f'{name} before it', f'{name} behind it'
                )
        if frame_rng(results, 'mirror').random() >= self.prob:
            return results
        for key in _CONSUMED:
            results.pop(key, None)
        if 'img' in results:
            self._mirror_views(results)
        for key in ('voxel_semantics', 'mask_camera', 'mask_lidar'):
            if key in results:
                results[key] = results[key][:, ::-1]
        for key in ('future_semantics', 'future_mask_camera'):
            if key in results:
                results[key] = results[key][:, :, ::-1]
        if 'gt_ego' in results:
            results['gt_ego'] = self._mirror_ego(results)
        if 'gt_meta' in results:
            meta = dict(results['gt_meta'])
            meta['direction'] = np.int64(mirror_direction(meta['direction']))
            results['gt_meta'] = meta
        if 'questions' in results:
            results['questions'] = [
                item._replace(
                    question=mirror_text(item.question),
                    answer=mirror_text(item.answer),
                )
                for item in results['questions']
            ]
        if 'instances' in results:
            results['instances'] = [
                _mirror_instance(item) for item in results['instances']
            ]
        if 'gt_bboxes_3d' in results:
            results['gt_bboxes_3d'].flip('vertical')
        if 'ego2global' in results:
            results['ego2global'] = (
                _MIRROR_EGO @ np.asarray(results['ego2global']) @ _MIRROR_EGO
            )
        if 'can_bus' in results:
            results['can_bus'] = np.asarray(results['can_bus']) * _CAN_BUS_SIGN
        return results

    def _mirror_views(self, results: dict) -> None:
        """Flip the images; each camera gets the view of its counterpart."""
        names = results['cam_names']
        twins = [mirror_text(name) for name in names]
        if set(twins) != set(names):
            raise self._error(
                results,
                f'the cameras {names}',
                'for each LEFT camera a RIGHT one',
            )
        order = [names.index(twin) for twin in twins]
        results['img'] = [
            np.ascontiguousarray(results['img'][i][:, ::-1]) for i in order
        ]
        width = results['img'][0].shape[1]
        results['filename'] = [results['filename'][i] for i in order]
        for key, span in (
            ('cam2img', width),
            ('ori_cam2img', results['ori_shape'][1]),
        ):
            results[key] = [
                _mirror_intrinsics(results[key][i], span) for i in order
            ]
        results['lidar2cam'] = [
            _MIRROR_X @ results['lidar2cam'][i] @ _MIRROR_X for i in order
        ]
        results['lidar2ego'] = _MIRROR_EGO @ results['lidar2ego'] @ _MIRROR_X

    def _mirror_ego(self, results: dict) -> dict:
        ego = dict(results['gt_ego'])
        if ego['command'] >= 0:
            raise self._error(
                results,
                f'the driving command {ego["command"]}',
                'no command (LoadEgoStatus(with_command=False))',
            )
        ego['fut_trajs'] = ego['fut_trajs'] * _POSE_SIGN[:2]
        ego['his_trajs'] = ego['his_trajs'] * _POSE_SIGN
        ego['status'] = ego['status'] * _STATUS_SIGN
        return ego

    @staticmethod
    def _error(results: dict, got: str, expected: str) -> SampleError:
        return sample_error(
            results['token'],
            'RandomMirror',
            f'got {got}',
            expected,
            'change the pipeline, or take RandomMirror out of it',
        )


def _mirror_intrinsics(matrix: np.ndarray, width: int) -> np.ndarray:
    """Return the intrinsics (3, 3) of the flipped image, u = width - u."""
    mirrored = matrix.copy()
    mirrored[0, 1] = -matrix[0, 1]
    mirrored[0, 2] = width - matrix[0, 2]
    return mirrored


def _mirror_instance(instance: dict) -> dict:
    """Mirror a box: LiDAR frame (x right), its future in the ego frame."""
    mirrored = dict(instance)
    if 'bbox_3d' in instance:
        x, *rest, yaw = instance['bbox_3d']
        mirrored['bbox_3d'] = [-x, *rest, np.pi - yaw]
    if 'velocity' in instance:
        x, y = instance['velocity']
        mirrored['velocity'] = [-x, y]
    if 'fut_box' in instance:
        mirrored['fut_box'] = np.asarray(instance['fut_box']) * _POSE_SIGN
    return mirrored
