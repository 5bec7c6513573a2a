"""Distil CLIP's image features into occupancy queries.

The overview figure draws a CLIP teacher at the encoder and no more, so the
form is ours: a linear layer on each query learns the direction of CLIP's
feature at the query's place in an image.
"""

import torch
import torch.nn.functional as F
from mmengine.model import BaseDataPreprocessor, BaseModule
from torch import Tensor, nn

from mmocc.projects.SparseOccVLA.sparseoccvla.encoder.view_sampling import (
    group_views,
    locate_points,
    sample_views,
)
from mmocc.registry import MODELS
from mmocc.structures.sparse_occ import SparseOccFeatures


@MODELS.register_module()
class CLIPDistillation(BaseModule):
    """Compare queries with a frozen teacher's features by a cosine loss.

    For training alone: the teacher never runs elsewhere, and stays on the
    CPU until it does. PyTorch does not know of it, so it is not in
    checkpoints, optimizers, shards or anything else that goes over weights.

    Args:
        teacher (dict): ``CLIPVisionTeacher``.
        embed_dims (int): Width D of the queries. Defaults to 256.
        loss_weight (float): Factor on the loss. Defaults to 1.0.
        init_cfg (dict, optional): mmengine's initialisation config.
    """

    def __init__(
        self,
        teacher: dict,
        embed_dims: int = 256,
        loss_weight: float = 1.0,
        init_cfg: dict | None = None,
    ) -> None:
        super().__init__(init_cfg)
        # A module inside a tuple is not registered.
        self._teacher = (MODELS.build(teacher),)
        self.head = nn.Linear(embed_dims, self.teacher.embed_dims)
        self.loss_weight = loss_weight

    @property
    def teacher(self) -> nn.Module:
        """The frozen teacher."""
        return self._teacher[0]

    def forward(
        self,
        scene: SparseOccFeatures,
        imgs: Tensor,
        ego2img: Tensor,
        view_choice: str,
    ) -> Tensor:
        """Compute the loss between queries and the teacher's features.

        Each frame counts alike, however many of its queries a camera sees; a
        frame of which none is seen adds 0.

        Args:
            scene (SparseOccFeatures): Of B frames; centres get no gradient.
            imgs (Tensor): (B, V, 3, H, W) of the key frames, RGB from 0 to
                255.
            ego2img (Tensor): (B, V, 4, 4) metres in the ego frame to pixels.
            view_choice (str): See :func:`locate_points`.

        Returns:
            Tensor: (), ``loss_weight`` times 1 - cosine.
        """
        maps = self.teacher.to(imgs.device)(imgs)  # (B, V, D, h, w)
        with torch.autocast(imgs.device.type, enabled=False):
            targets, seen = read_key_frame(
                maps,
                scene.centres.detach(),
                ego2img,
                tuple(imgs.shape[-2:]),
                view_choice,
            )
            student = self.head(scene.features.to(targets))
            distance = 1 - F.cosine_similarity(student, targets, dim=-1)
            seen = seen.to(distance)  # (B, Q)
            in_frame = (distance * seen).sum(1) / seen.sum(1).clamp(min=1)
            return self.loss_weight * in_frame.mean()


def read_key_frame(
    maps: Tensor,
    points: Tensor,
    ego2img: Tensor,
    image_shape: tuple[int, int],
    view_choice: str,
) -> tuple[Tensor, Tensor]:
    """Sample feature maps at points, each in the one chosen camera.

    Args:
        maps (Tensor): (B, V, D, h, w).
        points (Tensor): (B, Q, 3) metres in the ego frame.
        ego2img (Tensor): (B, V, 4, 4) metres to pixels.
        image_shape (tuple[int, int]): Height and width in these pixels.
        view_choice (str): See :func:`locate_points`.

    Returns:
        tuple[Tensor, Tensor]: (B, Q, D) features, zeros where no camera sees
        the point, and (B, Q) bool, whether one does.
    """
    views = group_views(
        [maps], ego2img, image_shape, num_frames=1, num_groups=1
    )
    places = points[:, :, None, None]  # one group, one point
    only_level = points.new_ones(*places.shape[:-1], 1)
    read = sample_views(places, only_level, views, view_choice)
    where = locate_points(points, views.ego2img, image_shape, view_choice)
    return read[:, :, 0, 0], where.seen[:, 0]


def to_rgb(imgs: Tensor, preprocessor: BaseDataPreprocessor) -> Tensor:
    """Undo the normalisation and channel order of mmdet3d's preprocessor.

    Args:
        imgs (Tensor): (..., 3, H, W), of images loaded as BGR. Padding
            becomes what its value means.
        preprocessor (BaseDataPreprocessor): The one that made ``imgs``.

    Returns:
        Tensor: RGB from 0 to 255.
    """
    if hasattr(preprocessor, 'mean'):
        imgs = imgs * preprocessor.std + preprocessor.mean
    if not getattr(preprocessor, '_channel_conversion', False):
        imgs = imgs.flip(-3)
    return imgs
