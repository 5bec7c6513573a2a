"""SparseOccVLA's encoder, from images to occupancy queries, as a graph."""

import copy
import math

import torch
from torch import Tensor, nn

from mmocc.projects.OnnxExport.onnx_export.dense_refiner import DenseRefiner
from mmocc.projects.SparseOccVLA.sparseoccvla.encoder.voxel_refiner import (
    SparseVoxelRefiner,
)

# Metres above the ground, of the cameras of the example.
EXAMPLE_HEIGHT = 1.5


class EncoderGraph(nn.Module):
    """Backbone, neck and encoder, with tensors in and out.

    B frames, T past and present images of each of V cameras, Q queries of
    width D, R points a query, K classes.

    Args:
        backbone (nn.Module): Image backbone.
        neck (nn.Module): Feature pyramid.
        encoder (nn.Module): ``SparseOccEncoder``; is copied. Refiners must be
            of the torch backend.

    Raises:
        ValueError: If a refiner is of another backend.
    """

    inputs = ('imgs', 'ego2img')
    outputs = ('features', 'centres', 'spread', 'points', 'logits')
    free = {}

    def __init__(
        self, backbone: nn.Module, neck: nn.Module, encoder: nn.Module
    ) -> None:
        super().__init__()
        self.backbone = backbone
        self.neck = neck
        self.encoder = copy.deepcopy(encoder)
        for name, refiner in encoder.refiners.items():
            if isinstance(refiner, SparseVoxelRefiner):
                self.encoder.refiners[name] = DenseRefiner(refiner)

    def forward(
        self, imgs: Tensor, ego2img: Tensor
    ) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
        """Encode images into occupancy queries.

        Args:
            imgs (Tensor): (B, T * V, 3, H, W), normalised and padded as the
                model's ``data_preprocessor`` does; all cameras of the current
                frame first.
            ego2img (Tensor): (B, T * V, 4, 4), from metres in the ego frame
                of now to pixels of ``imgs`` times depth.

        Returns:
            tuple: Features (B, Q, D), centres (B, Q, 3) and spread (B, Q, 3)
            in metres, points (B, Q, R, 3) in metres and logits (B, Q, R, K)
            of the last layer.
        """
        maps = self.neck(self.backbone(imgs.flatten(0, 1)))
        # (B T V, D, h, w) to (B, T V, D, h, w)
        maps = [each.unflatten(0, imgs.shape[:2]) for each in maps]
        scene = self.encoder(maps, ego2img, tuple(imgs.shape[-2:]))
        last = scene.layers[-1]
        return (
            scene.features,
            scene.centres,
            scene.spread,
            last.points,
            last.logits,
        )

    def example(
        self, image_shape: tuple[int, int], seed: int = 0
    ) -> dict[str, Tensor]:
        """Make random images of one frame, for tracing and comparisons.

        The cameras stand in a ring, evenly turned, each as wide as high.

        Args:
            image_shape (tuple[int, int]): Height and width in pixels.
            seed (int): Random seed of the images. Defaults to 0.

        Returns:
            dict[str, Tensor]: ``imgs`` and ``ego2img``.
        """
        generator = torch.Generator().manual_seed(seed)
        frames, views = self.encoder.num_frames, self.encoder.num_views
        ring = torch.stack(
            [
                _ring_camera(2 * math.pi * view / views, image_shape)
                for view in range(views)
            ]
        )
        imgs = torch.randn(
            1, frames * views, 3, *image_shape, generator=generator
        )
        return dict(imgs=imgs, ego2img=ring.repeat(frames, 1, 1)[None])


def _ring_camera(yaw: float, image_shape: tuple[int, int]) -> Tensor:
    """Return ``ego2img`` (4, 4) of a level pinhole camera at a yaw."""
    height, width = image_shape
    cam2img = torch.tensor(
        [
            [width / 2, 0, width / 2],
            [0, height / 2, height / 2],
            [0, 0, 1],
        ]
    )
    forward = [math.cos(yaw), math.sin(yaw), 0.0]
    right = [math.sin(yaw), -math.cos(yaw), 0.0]
    ego2cam = torch.tensor([right, [0.0, 0.0, -1.0], forward])
    shift = torch.tensor([[0.0], [EXAMPLE_HEIGHT], [0.0]])
    ego2img = torch.eye(4)
    ego2img[:3] = cam2img @ torch.cat([ego2cam, shift], dim=1)
    return ego2img
