"""A loss between semantic points and occupied voxels, without a matching.

The idea and all default numbers are those of OPUS (Wang et al., "OPUS:
Occupancy Prediction Using a Sparse Set", NeurIPS 2024): positions follow the
two-way Chamfer distance, and each point learns the class of the voxel that is
nearest to it.
"""

import math
from collections.abc import Sequence
from typing import NamedTuple

import torch
import torch.nn.functional as F
from mmdet.utils import reduce_mean
from mmengine.model import BaseModule
from torch import Tensor

from mmocc.models.losses.sigmoid_focal import sigmoid_focal
from mmocc.projects.SparseOccVLA.sparseoccvla.occ_head.occupied_voxels import (
    OccupiedVoxels,
)
from mmocc.registry import MODELS
from mmocc.structures.occ3d import POINT_CLOUD_RANGE
from mmocc.structures.sparse_occ import PointSet

# OPUS's factors on the columns of the classes, Occ3D's without free space.
CLASS_WEIGHTS = (10, 5, 10, 5, 5, 10, 10, 5, 10, 5, 5, 1, 5, 1, 1, 2, 1)
# others, bicycle, construction vehicle, traffic cone (OPUS).
RARE_CLASSES = (0, 2, 5, 8)
# Keeps a batch without any voxel from dividing by zero.
TINY = 1e-6


class _Match(NamedTuple):
    """Nearest neighbours between N points and G voxels.

    Attributes:
        point (Tensor): (G,) int64 index of the point nearest to each voxel.
        gap (Tensor): (G,) metres from a voxel to its nearest point.
        voxel (Tensor): (N,) int64 index of the voxel nearest to each point,
            -1 where there is no voxel.
        distance (Tensor): (N,) metres from a point to its nearest voxel.
    """

    point: Tensor
    gap: Tensor
    voxel: Tensor
    distance: Tensor


@MODELS.register_module()
class SetOccLoss(BaseModule):
    r"""Compare point sets with occupied voxels: Chamfer and focal loss.

    For N points :math:`p` with logits :math:`z` and G voxel centres
    :math:`g`, where :math:`a(g)` and :math:`b(p)` are the nearest of the
    other set and :math:`\rho` the smooth L1 loss summed over x, y, z:

    .. math::

        L_{pts} = \lambda_{pts} \Big[ \tfrac{1}{G} \sum_g w_g
            \rho(g - p_{a(g)}) + \tfrac{1}{N} \sum_p \rho(p - g_{b(p)}) \Big]

        L_{cls} = \lambda_{cls} \tfrac{1}{N} \sum_p \sum_k \omega_k
            \delta(b(p)) \, \mathrm{focal}(z_{pk}, [k = class(b(p))])

    :math:`w_g` is 1, ``empty_weight`` where a camera sees the voxel and no
    point is near, and at least ``rare_weight`` where it sees a rare class.
    :math:`\delta` grows linearly with the voxel's horizontal distance from
    the middle of the range. Sums and divisors run over the batch of all
    processes. No class stands for free space: as in OPUS, a point far from
    its voxel still learns that voxel's class.

    Three cases are ours. A frame without any occupied voxel pulls no point
    and pushes all scores down, at :math:`\delta = 1`. A frame without a label,
    ``None``, counts for nothing. With ``free_distance``, points farther than
    that from all voxels learn that no class is there.

    Args:
        class_weights (Sequence[float]): Weights :math:`\omega` of the K
            classes without free space. Defaults to OPUS's.
        rare_classes (Sequence[int]): Classes whose visible voxels weigh at
            least ``rare_weight``. Defaults to (0, 2, 5, 8).
        rare_weight (float): Smallest weight of a visible voxel of a rare
            class. Defaults to 10.
        empty_distance (float): Metres to the nearest point beyond which a
            visible voxel counts as missed. Defaults to 0.2.
        empty_weight (float): Weight of a missed voxel. Defaults to 5.
        distance_weight (float): What :math:`\delta` adds to 1 at a distance
            of the range's horizontal diagonal; 0 turns it off. Defaults to 1.
        point_cloud_range (Sequence[float]): x, y, z minimum, then maximum, in
            metres. Defaults to Occ3D's.
        beta (float): Metres where the smooth L1 loss turns linear. Defaults
            to 0.2.
        focal_gamma (float): Exponent of the focal loss. Defaults to 2.
        focal_alpha (float): Weight of positives in the focal loss. Defaults
            to 0.25.
        points_weight (float): Weight :math:`\lambda_{pts}` of the Chamfer
            loss. Defaults to 0.5.
        classes_weight (float): Weight :math:`\lambda_{cls}` of the focal
            loss. Defaults to 2.
        free_distance (float, optional): Metres to the nearest voxel beyond
            which a point is in free space. Defaults to None, never.
        nearest (dict, optional): Config of the neighbour search. Defaults to
            None, ``dict(type='NearestNeighbour')``.

    Raises:
        ValueError: If a rare class has no weight.
    """

    def __init__(
        self,
        class_weights: Sequence[float] = CLASS_WEIGHTS,
        rare_classes: Sequence[int] = RARE_CLASSES,
        rare_weight: float = 10.0,
        empty_distance: float = 0.2,
        empty_weight: float = 5.0,
        distance_weight: float = 1.0,
        point_cloud_range: Sequence[float] = POINT_CLOUD_RANGE,
        beta: float = 0.2,
        focal_gamma: float = 2.0,
        focal_alpha: float = 0.25,
        points_weight: float = 0.5,
        classes_weight: float = 2.0,
        free_distance: float | None = None,
        nearest: dict | None = None,
    ) -> None:
        super().__init__()
        if not set(rare_classes) <= set(range(len(class_weights))):
            raise ValueError(
                f'SetOccLoss got rare_classes={tuple(rare_classes)}, expected '
                f'classes below {len(class_weights)}, the number of '
                'class_weights'
            )
        self.rare_weight = rare_weight
        self.empty_distance = empty_distance
        self.empty_weight = empty_weight
        self.distance_weight = distance_weight
        self.beta = beta
        self.focal_gamma = focal_gamma
        self.focal_alpha = focal_alpha
        self.points_weight = points_weight
        self.classes_weight = classes_weight
        self.free_distance = free_distance
        self.nearest = MODELS.build(nearest or dict(type='NearestNeighbour'))
        limits = torch.tensor(point_cloud_range, dtype=torch.float64)
        self.diagonal = math.dist(
            point_cloud_range[:2], point_cloud_range[3:5]
        )
        # These come from the config, hence not into checkpoints.
        for name, values in (
            ('middle', (limits[:2] + limits[3:5]) / 2),
            ('class_weights', torch.tensor(class_weights)),
        ):
            self.register_buffer(name, values.float(), persistent=False)
        self.register_buffer(
            'rare_classes',
            torch.tensor(list(rare_classes), dtype=torch.int64),
            persistent=False,
        )

    def forward(
        self,
        layers: Sequence[PointSet],
        targets: Sequence[OccupiedVoxels | None],
        initial_points: Tensor | None = None,
    ) -> dict[str, Tensor]:
        """Compute the weighted losses of every layer.

        Args:
            layers (Sequence[PointSet]): Points (B, Q, R, 3) metres and logits
                (B, Q, R, K) of each layer; Q and R may differ.
            targets (Sequence[OccupiedVoxels | None]): Occupied voxels of each
                of the B frames, None where there is no label.
            initial_points (Tensor, optional): (B, Q, R, 3), before the first
                layer; they have no classes. Defaults to None, no such loss.

        Returns:
            dict[str, Tensor]: ``loss_points_initial`` if there are such
            points, and ``loss_points_i`` and ``loss_classes_i`` of layer i;
            each () in float32, or float64 where the input is.

        Raises:
            ValueError: If frames or classes are not as many as expected.
        """
        for layer in layers:
            self._check(layer, targets)
        device = layers[0].points.device
        labelled = [target for target in targets if target is not None]
        totals = reduce_mean(
            torch.tensor(
                [
                    sum(len(target.centres) for target in labelled),
                    sum(len(target.centres) > 0 for target in labelled),
                    len(labelled),
                ],
                dtype=torch.float32,
                device=device,
            )
        ).clamp(min=TINY)
        losses = {}
        with torch.autocast(device.type, enabled=False):
            if initial_points is not None:
                points = _widen(initial_points.flatten(1, 2))
                matches = self._match(points, targets)
                losses['loss_points_initial'] = self._points_loss(
                    points, targets, matches, totals
                )
            for index, layer in enumerate(layers):
                points = _widen(layer.points.flatten(1, 2))  # (B, Q R, 3)
                logits = _widen(layer.logits.flatten(1, 2))  # (B, Q R, K)
                matches = self._match(points, targets)
                losses[f'loss_points_{index}'] = self._points_loss(
                    points, targets, matches, totals
                )
                losses[f'loss_classes_{index}'] = self._classes_loss(
                    logits, targets, matches, totals
                )
        return losses

    def _check(
        self,
        layer: PointSet,
        targets: Sequence[OccupiedVoxels | None],
    ) -> None:
        """Refuse frames and classes that do not match."""
        if len(layer.points) != len(targets):
            raise ValueError(
                f'SetOccLoss got points of {len(layer.points)} frames and '
                f'{len(targets)} targets; give one for each frame, None where '
                'there is no label'
            )
        if layer.logits.shape[-1] != len(self.class_weights):
            raise ValueError(
                f'SetOccLoss got logits of {layer.logits.shape[-1]} classes, '
                f'expected {len(self.class_weights)}; give class_weights one '
                'number for each class without free space'
            )

    def _match(
        self,
        points: Tensor,
        targets: Sequence[OccupiedVoxels | None],
    ) -> list[_Match | None]:
        """Find nearest neighbours, both ways, in each labelled frame."""
        matches = []
        for own, target in zip(points.detach(), targets, strict=True):
            match = None
            if target is not None:
                point, gap = self.nearest(target.centres, own)
                voxel, distance = self.nearest(own, target.centres)
                match = _Match(point, gap, voxel, distance)
            matches.append(match)
        return matches

    def _points_loss(
        self,
        points: Tensor,
        targets: Sequence[OccupiedVoxels | None],
        matches: Sequence[_Match | None],
        totals: Tensor,
    ) -> Tensor:
        """Compute the Chamfer loss () of points (B, N, 3).

        ``totals`` counts voxels, frames with voxels and labelled frames.
        """
        to_point = to_voxel = points[:0].sum()  # zero, with a gradient
        for own, target, match in zip(points, targets, matches, strict=True):
            if target is None or len(target.centres) == 0:
                continue
            centres = target.centres.to(own.dtype)
            distance = self._smooth_l1(own[match.point], centres)  # (G,)
            weights = self._voxel_weights(target, match.gap)  # (G,)
            to_point = to_point + (weights * distance).sum()
            to_voxel = (
                to_voxel + self._smooth_l1(own, centres[match.voxel]).sum()
            )
        voxels, frames, _ = totals
        to_voxel = to_voxel / (frames * points.shape[1])
        return self.points_weight * (to_point / voxels + to_voxel)

    def _smooth_l1(self, points: Tensor, centres: Tensor) -> Tensor:
        """Compare points (n, 3) with centres (n, 3), metres; return (n,)."""
        return F.smooth_l1_loss(
            points, centres, beta=self.beta, reduction='none'
        ).sum(1)

    def _voxel_weights(self, target: OccupiedVoxels, gap: Tensor) -> Tensor:
        """Return the weight of each voxel in the Chamfer loss, (G,)."""
        weights = torch.ones_like(gap)
        weights[target.visible & (gap > self.empty_distance)] = (
            self.empty_weight
        )
        rare = torch.isin(target.classes, self.rare_classes)
        rare &= target.visible
        return torch.where(rare, weights.clamp(min=self.rare_weight), weights)

    def _classes_loss(
        self,
        logits: Tensor,
        targets: Sequence[OccupiedVoxels | None],
        matches: Sequence[_Match | None],
        totals: Tensor,
    ) -> Tensor:
        """Compute the focal loss () of logits (B, N, K)."""
        total = logits[:0].sum()
        for own, target, match in zip(logits, targets, matches, strict=True):
            if target is None:
                continue
            one_hot = torch.zeros_like(own)  # (N, K)
            factor = own.new_ones(len(own), 1)
            if len(target.centres):
                classes = target.classes[match.voxel]  # (N,)
                one_hot.scatter_(1, classes[:, None], 1)
                if self.free_distance is not None:
                    one_hot[match.distance > self.free_distance] = 0
                factor = self._distance_factor(target.centres)[match.voxel]
                factor = factor[:, None]
            loss = sigmoid_focal(
                own, one_hot, self.focal_gamma, self.focal_alpha
            )  # (N, K)
            total = total + (self.class_weights * factor * loss).sum()
        return self.classes_weight * total / (totals[2] * logits.shape[1])

    def _distance_factor(self, centres: Tensor) -> Tensor:
        """Weight the classes of voxels (G, 3) by their distance, (G,)."""
        distance = (centres[:, :2] - self.middle).norm(dim=1)
        return 1 + self.distance_weight * distance / self.diagonal


def _widen(x: Tensor) -> Tensor:
    """Convert anything narrower than float32 to float32."""
    return x.to(torch.promote_types(x.dtype, torch.float32))
