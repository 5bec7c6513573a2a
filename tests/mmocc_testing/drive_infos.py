"""Info files of hand-made drives."""

import numpy as np

from mmocc_testing import make_occ_info, wrap_infos


def drive_infos(poses: np.ndarray, scene: int = 0) -> dict:
    """The content of an info file with one scene.

    Args:
        poses (np.ndarray): (N, 3) x, y, yaw, 0.5 s apart.
        scene (int): Number of the scene.
    """
    infos = []
    for k, (x, y, yaw) in enumerate(poses):
        info = make_occ_info(scene, k, len(poses))
        ego2global = np.eye(4)
        ego2global[:2, :2] = [
            [np.cos(yaw), -np.sin(yaw)],
            [np.sin(yaw), np.cos(yaw)],
        ]
        ego2global[:2, 3] = x, y
        infos.append(info | {'ego2global': ego2global.tolist()})
    return wrap_infos(infos)
