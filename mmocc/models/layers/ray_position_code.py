"""Position code shared by image tokens and occupancy queries.

Ours, and off at paper size: OccVLA says nothing about geometry, and a
pretrained model may find it by itself. A tiny model does not within minutes.
It learns much sooner when an image token carries the point that its ray
meets, and a query its own position, both through the same function.
"""

from collections.abc import Sequence

import numpy as np
import torch
from mmengine.model import BaseModule
from torch import Tensor, nn

from mmocc.registry import MODELS

# Heights in metres are divided by this before they enter the code.
HEIGHT_SCALE = 10.0


@MODELS.register_module()
class RayPositionCode(BaseModule):
    """Encode points by a learned projection of joint polar harmonics.

    A ray that falls is represented by its hit with the ground plane z = 0 of
    the ego frame, unless that lies beyond ``max_range``; every other ray by
    its point at ``standing_range``, about where facades and trees stand.

    Each harmonic is a wave over azimuth and logarithmic range together, so
    that two codes are alike only where both agree. Sums of separate waves
    would make a point like all others on its ray.

    Args:
        embed_dims (int): Width D of the tokens.
        num_azimuth (int): Number of harmonics of the azimuth in each
            direction of rotation. Defaults to 4.
        num_range (int): Number of harmonics of the logarithmic range.
            Defaults to 3.
        max_range (float): Largest range of a hit with the ground in metres.
            Defaults to 50.
        standing_range (float): Range in metres of the point that represents
            all other rays. Defaults to 50.
        gain (float): Scale of the code at the start, in multiples of
            PyTorch's own. The rest of a token is noise to a comparison of
            codes, so tiny models start with more than 1. Defaults to 1.
        init_cfg (dict, optional): mmengine's initialisation config.
    """

    # The config key that holds the width of the language model.
    token_width_key = 'embed_dims'

    def __init__(
        self,
        embed_dims: int,
        num_azimuth: int = 4,
        num_range: int = 3,
        max_range: float = 50.0,
        standing_range: float = 50.0,
        gain: float = 1.0,
        init_cfg: dict | None = None,
    ) -> None:
        super().__init__(init_cfg)
        self.max_range = max_range
        self.standing_range = standing_range
        waves = torch.cartesian_prod(
            torch.arange(-num_azimuth, num_azimuth + 1.0),
            torch.pi * torch.arange(num_range + 1.0),
        )  # (W, 2) multiples of azimuth and range
        self.register_buffer('waves', waves, persistent=False)
        self.project = nn.Linear(2 * len(waves) + 1, embed_dims)
        with torch.no_grad():
            self.project.weight.mul_(gain)

    def forward(self, points: Tensor) -> Tensor:
        """Encode points in the ego frame as vectors of the token width.

        Args:
            points (Tensor): (..., 3) metres in the ego frame.

        Returns:
            Tensor: (..., D).
        """
        x, y, z = points.unbind(-1)
        distance = torch.log1p(torch.hypot(x, y)) / np.log1p(self.max_range)
        polar = torch.stack([torch.atan2(y, x), distance], dim=-1)  # (..., 2)
        with torch.autocast(points.device.type, enabled=False):
            phases = polar @ self.waves.t()  # (..., W)
        return self.project(
            torch.cat(
                [phases.sin(), phases.cos(), z[..., None] / HEIGHT_SCALE],
                dim=-1,
            )
        )

    def code_views(
        self,
        cam2img: Sequence[np.ndarray],
        cam2ego: Sequence[np.ndarray],
        image_size: int,
        tokens_per_side: int,
    ) -> Tensor:
        """Encode the rays of the image tokens of one frame.

        Args:
            cam2img (Sequence[np.ndarray]): V intrinsics, 3 x 3, in pixels of
                the model's input.
            cam2ego (Sequence[np.ndarray]): V extrinsics, 4 x 4, metres.
            image_size (int): Height and width of the input in pixels.
            tokens_per_side (int): Number of patches along each side.

        Returns:
            Tensor: (V * tokens_per_side ** 2, D), in the order of the tokens.
        """
        patch = image_size / tokens_per_side
        centre = (np.arange(tokens_per_side) + 0.5) * patch
        v, u = np.meshgrid(centre, centre, indexing='ij')
        pixels = np.stack([u, v, np.ones_like(u)], axis=-1).reshape(-1, 3)
        points = [
            self._points_on_rays(
                pixels, np.asarray(k)[:3, :3], np.asarray(pose)
            )
            for k, pose in zip(cam2img, cam2ego, strict=True)
        ]
        points = torch.from_numpy(np.concatenate(points)).float()
        return self(points.to(self.project.weight.device))

    def _points_on_rays(
        self, pixels: np.ndarray, cam2img: np.ndarray, cam2ego: np.ndarray
    ) -> np.ndarray:
        """Return the points that represent the rays of pixels.

        Args:
            pixels (np.ndarray): (n, 3) homogeneous pixels, (u, v, 1).
            cam2img (np.ndarray): (3, 3) intrinsics.
            cam2ego (np.ndarray): (4, 4) extrinsics, metres.

        Returns:
            np.ndarray: (n, 3) metres in the ego frame.
        """
        rays = pixels @ np.linalg.inv(cam2img).T @ cam2ego[:3, :3].T
        rays /= np.linalg.norm(rays, axis=-1, keepdims=True)
        height = cam2ego[2, 3]
        falling = rays[:, 2] * self.max_range < -height
        reach = np.full(len(rays), self.standing_range)
        reach[falling] = -height / rays[falling, 2]
        return cam2ego[:3, 3] + rays * reach[:, None]
