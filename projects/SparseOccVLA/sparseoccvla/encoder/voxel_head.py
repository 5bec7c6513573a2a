"""Classify the voxels of a refiner, for an auxiliary loss."""

import torch
from mmengine.model import BaseModule
from torch import Tensor, nn

from mmocc.registry import MODELS
from mmocc.structures.sparse_occ import VoxelLogits


@MODELS.register_module()
class VoxelHead(BaseModule):
    """Classify voxel features by one linear layer, and compute losses.

    Free space is a class here, as the voxels come from predicted points and
    many of them should hold nothing.

    Args:
        in_channels (int): Width of a voxel's feature, C.
        num_classes (int): Number of classes K, with free space. Defaults to
            18.
        loss_ce (dict, optional): Config of the cross-entropy. Defaults to
            None, ``dict(type='OccCrossEntropyLoss', loss_weight=0.5)``.
        loss_lovasz (dict, optional): Config of the Lovász loss. Defaults to
            None, no such loss.
        init_cfg (dict, optional): mmengine's initialisation config.
    """

    def __init__(
        self,
        in_channels: int,
        num_classes: int = 18,
        loss_ce: dict | None = None,
        loss_lovasz: dict | None = None,
        init_cfg: dict | None = None,
    ) -> None:
        super().__init__(init_cfg)
        self.classify = nn.Linear(in_channels, num_classes)
        self.loss_ce = MODELS.build(
            loss_ce or dict(type='OccCrossEntropyLoss', loss_weight=0.5)
        )
        self.loss_lovasz = None
        if loss_lovasz is not None:
            self.loss_lovasz = MODELS.build(loss_lovasz)

    def forward(self, features: Tensor) -> Tensor:
        """Map features (V, C) of voxels to class logits (V, K)."""
        return self.classify(features)

    def loss(
        self,
        voxels: VoxelLogits,
        semantics: Tensor,
        mask: Tensor | None = None,
    ) -> dict[str, Tensor]:
        """Compare logits with the labels of their voxels.

        Args:
            voxels (VoxelLogits): Indices and logits of V voxels.
            semantics (Tensor): (B, X, Y, Z) class ids of the refiner's grid.
            mask (Tensor, optional): (B, X, Y, Z) bool, True where a voxel
                counts. Defaults to None, all.

        Returns:
            dict[str, Tensor]: ``loss_voxel_ce`` and, if configured,
            ``loss_voxel_lovasz``, each ().
        """
        where = voxels.indices.unbind(1)  # batch, x, y, z of (V,) each
        labels = semantics[where]  # (V,)
        if mask is None:
            mask = torch.ones_like(semantics, dtype=torch.bool)
        sample = self.loss_ce.select(labels, mask[where])
        logits = voxels.logits[sample.index]  # (n, K)
        losses = dict(loss_voxel_ce=self.loss_ce(logits, sample))
        if self.loss_lovasz is not None:
            losses['loss_voxel_lovasz'] = self.loss_lovasz(
                logits, sample.labels
            )
        return losses
