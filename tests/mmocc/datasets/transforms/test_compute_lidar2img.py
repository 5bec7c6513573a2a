import numpy as np
from mmocc_testing import make_occ_info

from mmocc.datasets import ComputeLidar2Img
from mmocc.structures import CAMERAS


def matrices(info):
    return {
        'cam2img': [
            np.array(info['images'][name]['cam2img']) for name in CAMERAS
        ],
        'lidar2cam': [
            np.array(info['images'][name]['lidar2cam']) for name in CAMERAS
        ],
        'lidar2ego': np.array(info['lidar_points']['lidar2ego']),
    }


def test_point_on_the_optical_axis_lands_on_the_principal_point():
    info = make_occ_info(image_size=(54, 96))
    results = ComputeLidar2Img()(matrices(info))
    for view, name in enumerate(CAMERAS):
        cam2ego = np.array(info['images'][name]['cam2ego'])
        point = cam2ego @ [0.0, 0.0, 7.0, 1.0]  # 7 m ahead, in the ego frame
        in_lidar = np.linalg.inv(results['lidar2ego']) @ point
        u, v, depth = (results['lidar2img'][view] @ in_lidar)[:3]
        np.testing.assert_allclose(
            [u / depth, v / depth, depth], [0.51 * 96, 0.48 * 54, 7.0]
        )


def test_cam2ego_accounts_for_motion_since_the_exposure():
    """A camera that fired 0.5 m before the LiDAR sits 0.5 m behind."""
    info = make_occ_info()
    arrays = matrices(info)
    ego_at_camera2ego = np.eye(4)
    ego_at_camera2ego[0, 3] = -0.5
    mounted = np.array(info['images']['CAM_FRONT']['cam2ego'])
    true_cam2ego = ego_at_camera2ego @ mounted
    arrays['lidar2cam'][0] = np.linalg.inv(true_cam2ego) @ arrays['lidar2ego']
    results = ComputeLidar2Img()(arrays)
    np.testing.assert_allclose(results['cam2ego'][0], true_cam2ego, atol=1e-12)
    np.testing.assert_allclose(
        results['cam2ego'][0, :3, 3] - mounted[:3, 3],
        [-0.5, 0.0, 0.0],
        atol=1e-12,
    )
