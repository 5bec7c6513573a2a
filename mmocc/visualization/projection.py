"""Projection of ego-frame points into cameras, and checks of its inputs."""

from collections.abc import Sequence

import numpy as np

# Points nearer to the image plane than this are not drawn, in metres.
NEAR = 0.5


def project(
    points: np.ndarray, cam2img: np.ndarray, cam2ego: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Project points of the ego frame into an image.

    The centre of the pixel in column u and row v is at (u + 0.5, v + 0.5).

    Args:
        points (np.ndarray): (..., 3) metres in the ego frame.
        cam2img (np.ndarray): (3, 3) intrinsics.
        cam2ego (np.ndarray): (4, 4) pose of the camera.

    Returns:
        tuple: Pixels (..., 2), which are valid where the depth is positive,
        and depths (...) in metres.
    """
    ego2cam = np.linalg.inv(cam2ego)
    in_camera = points @ ego2cam[:3, :3].T + ego2cam[:3, 3]  # (..., 3)
    depth = in_camera[..., 2]
    homogeneous = in_camera @ np.asarray(cam2img)[:3, :3].T
    with np.errstate(divide='ignore', invalid='ignore'):
        pixels = homogeneous[..., :2] / homogeneous[..., 2:]
    return pixels, depth


def check_images(images: Sequence[np.ndarray], names: Sequence[str]) -> None:
    """Require one RGB picture for each camera name.

    Raises:
        ValueError: If the numbers differ, or an image is not (H, W, 3) uint8.
    """
    if len(images) != len(names) or not len(images):
        raise ValueError(
            f'{len(images)} images for {len(names)} camera names; expected '
            'one image for each name'
        )
    for name, image in zip(names, images, strict=True):
        shape, dtype = np.shape(image), getattr(image, 'dtype', None)
        if len(shape) != 3 or shape[2] != 3 or 0 in shape or dtype != np.uint8:
            raise ValueError(
                f'the image of {name} has shape {shape} and type {dtype}; '
                'expected (H, W, 3) uint8, RGB'
            )


def check_calibration(
    cam2img: np.ndarray, cam2ego: np.ndarray, names: Sequence[str]
) -> None:
    """Require finite matrices of the right shape for every camera.

    Args:
        cam2img (np.ndarray): Expected to be (V, 3, 3).
        cam2ego (np.ndarray): Expected to be (V, 4, 4).
        names (Sequence[str]): V camera names.

    Raises:
        ValueError: If a matrix has another shape, or is not finite.
    """
    for what, matrices, side in (
        ('cam2img', cam2img, 3),
        ('cam2ego', cam2ego, 4),
    ):
        shape = np.shape(matrices)
        if shape != (len(names), side, side):
            raise ValueError(
                f'{what} has shape {shape}, expected '
                f'{(len(names), side, side)}: one {side} x {side} matrix for '
                f'each of {list(names)}; correct the calibration'
            )
        for name, matrix in zip(names, matrices, strict=True):
            if not np.isfinite(matrix).all():
                raise ValueError(
                    f'{what} of {name} holds values that are not finite: '
                    f'{np.asarray(matrix).tolist()}; correct the calibration '
                    'or the ego pose that it derives from'
                )
