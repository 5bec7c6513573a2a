"""Occupancy from the point sets of a sparse encoder, as OPUS trains it."""

import torch
from mmengine.model import BaseModule
from mmengine.structures import BaseDataElement
from torch import Tensor

from mmocc.projects.SparseOccVLA.sparseoccvla.occ_head.occupied_voxels import (
    OccupiedVoxels,
    occupied_voxels,
)
from mmocc.registry import MODELS
from mmocc.structures import FREE, OccDataSample
from mmocc.structures.sparse_occ import PointSet, SparseOccFeatures

TARGETS = ('all', 'visible')


@MODELS.register_module()
class PointSetOccHead(BaseModule):
    """Compare point sets with occupied voxels, and decode them to grids.

    Args:
        decoder (dict): Config of a ``PointSetDecoder``.
        loss_occ (dict): Config of a ``SetOccLoss``.
        target (str): ``all`` voxels that are not free train the points, as
            in OPUS, or those ``visible`` to a camera only. Defaults to 'all'.
        init_cfg (dict, optional): mmengine's initialisation config.

    Raises:
        ValueError: If ``target`` is unknown.
    """

    def __init__(
        self,
        decoder: dict,
        loss_occ: dict,
        target: str = 'all',
        init_cfg: dict | None = None,
    ) -> None:
        super().__init__(init_cfg)
        if target not in TARGETS:
            raise ValueError(
                f'occ_head.target is {target!r}, expected one of {TARGETS}'
            )
        self.decode = MODELS.build(decoder)
        self.loss_occ = MODELS.build(loss_occ)
        self.target = target

    def loss(
        self, feats: SparseOccFeatures, data_samples: list[OccDataSample]
    ) -> dict[str, Tensor]:
        """Compute the set loss of every layer of the encoder.

        Args:
            feats (SparseOccFeatures): Of B frames.
            data_samples (list[OccDataSample]): With ``gt_occ``.

        Returns:
            dict[str, Tensor]: As ``loss_occ`` names them.
        """
        device = feats.features.device
        targets = [
            self._occupied(
                sample.gt_occ.semantics, sample.gt_occ.mask_camera, device
            )
            for sample in data_samples
        ]
        return self.loss_occ(feats.layers, targets, feats.initial_points)

    def predict(
        self, feats: SparseOccFeatures, data_samples: list[OccDataSample]
    ) -> list[BaseDataElement]:
        """Decode the last layer.

        Args:
            feats (SparseOccFeatures): Of B frames.
            data_samples (list[OccDataSample]): Not read.

        Returns:
            list[BaseDataElement]: B times ``semantics``, (X, Y, Z) uint8.
        """
        grids = self.decode(feats.layers[-1])  # (B, X, Y, Z)
        return [BaseDataElement(semantics=grid) for grid in grids]

    def decode_all(self, point_sets: list[PointSet]) -> Tensor:
        """Decode T point sets to grids (B, T, X, Y, Z)."""
        return torch.stack([self.decode(points) for points in point_sets], 1)

    def future_targets(
        self, data_samples: list[OccDataSample], device: torch.device
    ) -> list[list[OccupiedVoxels | None]]:
        """Collect the occupied voxels of each future step and frame.

        Returns:
            list[list]: T times B; None beyond the end of a scene.

        Raises:
            KeyError: If a sample has no labels of the future.
        """
        labels = [sample.gt_occ for sample in data_samples]
        for sample, label in zip(data_samples, labels, strict=True):
            if 'future_semantics' not in label:
                raise KeyError(
                    f'sample {sample.get("token")} has no labels of the '
                    'future; put LoadFutureOcc3D into the pipeline'
                )
        return [
            [
                self._occupied(
                    label.future_semantics[step],
                    label.future_mask_camera[step],
                    device,
                )
                if label.future_valid[step]
                else None
                for label in labels
            ]
            for step in range(len(labels[0].future_valid))
        ]

    def _occupied(
        self, semantics: Tensor, seen: Tensor, device: torch.device
    ) -> OccupiedVoxels:
        """List the occupied voxels of one grid (X, Y, Z)."""
        semantics, seen = semantics.to(device), seen.to(device)
        if self.target == 'visible':
            semantics = torch.where(
                seen, semantics, torch.full_like(semantics, FREE)
            )
        return occupied_voxels(semantics, self.decode.grid, seen)
