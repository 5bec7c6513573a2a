"""Exchange features between neighbouring points of different queries.

Queries of a point-set encoder meet through attention between their centres
alone. The refiner brings their points together where they are: in voxels. It
is ours; SparseOccVLA names sparse convolutions without details.
"""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from mmengine.model import BaseModule
from torch import Tensor, nn

from mmocc.models.layers.voxelise import voxel_index
from mmocc.projects.SparseOccVLA.sparseoccvla.encoder.sparse_unet import (
    SparseUNet,
)
from mmocc.registry import MODELS
from mmocc.structures import OccGrid
from mmocc.structures.occ3d import POINT_CLOUD_RANGE, VOXEL_SIZE
from mmocc.structures.sparse_occ import VoxelLogits

# Offset to the query's centre, offset in the voxel, score.
POINT_CODE = 3 + 3 + 1
# Added to scores, so that voxels of points that all score 0 have a mean.
TINY = 1e-6


class RefinedQueries(NamedTuple):
    """Queries and points behind a refiner.

    Attributes:
        features (Tensor): (B, Q, D).
        points (Tensor): (B, Q, R, 3) metres.
        voxels (VoxelLogits or None): Class logits of the voxels that held
            the points before. None without a voxel head.
    """

    features: Tensor
    points: Tensor
    voxels: VoxelLogits | None


class _Voxels(NamedTuple):
    """V voxels and the n points in them.

    Attributes:
        indices (Tensor): (V, 4) int64 batch, x, y, z, in ascending order.
        rows (Tensor): (n,) int64 into all B * Q * R points.
        member (Tensor): (n,) int64, the voxel of each.
    """

    indices: Tensor
    rows: Tensor
    member: Tensor


@MODELS.register_module()
class SparseVoxelRefiner(BaseModule):
    """Refine queries and points by a sparse U-Net over their voxels.

    B frames, Q queries of width D, R points of a query, V voxels of C
    channels that hold n points::

        queries (B, Q, D), points (B, Q, R, 3) -> point features (n, C)
          -> mean of each voxel (V, C) -> U-Net (V, C) -> at points (n, C)
          -> shifts of points (B, Q, R, 3), changes of queries (B, Q, D)

    The feature of a point is made from its query's, its place in the query
    and in the voxel, and its score. Points of one voxel are averaged, weighted
    by their scores. What the U-Net makes of a voxel moves its points by at
    most ``max_shift`` along each axis, and is added to their queries, averaged
    over a query's points by the softmax of their scores.

    Both outputs start at zero: an untrained refiner changes nothing. Positions
    and scores get no gradient from here; gradients flow to the features of
    queries and straight through the points. Points outside the range and
    queries without a point inside stay as they are.

    All of it runs in the precision of the weights, float32 unless converted,
    with autocast off, as spconv knows no bfloat16.

    Args:
        embed_dims (int): Width of a query, D. Defaults to 256.
        channels (Sequence[int]): Width of the U-Net at each scale. Defaults
            to (32, 64, 128).
        num_blocks (int): Number of residual blocks at each scale. Defaults
            to 2.
        max_shift (float): Largest shift of a point along each axis in
            metres. Defaults to 0.4, one voxel of Occ3D.
        max_voxels (int): Largest number of voxels of a frame; beyond it,
            those with the lowest best score are left out. Defaults to 60,000.
        point_cloud_range (Sequence[float]): x, y, z minimum, then maximum, in
            metres. Defaults to Occ3D's.
        voxel_size (Sequence[float]): Edge lengths in metres. Defaults to
            Occ3D's; larger ones suit layers with few points.
        backend (str): ``spconv``, ``torch`` or ``auto``, spconv where it can
            be imported. Weights fit all of them. Defaults to 'auto'.
        voxel_head (dict, optional): Config of a ``VoxelHead`` without its
            ``in_channels``. It classifies voxels for the auxiliary
            :meth:`voxel_loss`. Defaults to None.
        init_cfg (dict, optional): mmengine's initialisation config.
    """

    def __init__(
        self,
        embed_dims: int = 256,
        channels: Sequence[int] = (32, 64, 128),
        num_blocks: int = 2,
        max_shift: float = 0.4,
        max_voxels: int = 60_000,
        point_cloud_range: Sequence[float] = POINT_CLOUD_RANGE,
        voxel_size: Sequence[float] = VOXEL_SIZE,
        backend: str = 'auto',
        voxel_head: dict | None = None,
        init_cfg: dict | None = None,
    ) -> None:
        super().__init__(init_cfg)
        self.max_shift = max_shift
        self.max_voxels = max_voxels
        self.grid = OccGrid(point_cloud_range, voxel_size)
        width = channels[0]
        self.from_query = nn.Linear(embed_dims, width)
        self.from_point = nn.Linear(POINT_CODE, width, bias=False)
        self.unet = SparseUNet(channels, num_blocks, backend)
        self.to_shift = nn.Linear(width, 3)
        self.norm = nn.LayerNorm(width)
        self.to_query = nn.Linear(width, embed_dims)
        for layer in (self.to_shift, self.to_query):
            nn.init.zeros_(layer.weight)
            nn.init.zeros_(layer.bias)
        self.voxel_head = None
        if voxel_head is not None:
            self.voxel_head = MODELS.build(dict(voxel_head, in_channels=width))

    def forward(
        self, features: Tensor, points: Tensor, scores: Tensor
    ) -> RefinedQueries:
        """Refine queries and points.

        Args:
            features (Tensor): (B, Q, D).
            points (Tensor): (B, Q, R, 3) metres in the ego frame.
            scores (Tensor): (B, Q, R) confidence of the points in [0, 1].

        Returns:
            RefinedQueries: Features and points in the same shapes, and the
            logits of voxels.
        """
        with torch.autocast(features.device.type, enabled=False):
            shift, change, voxels = self._compute(
                features.to(self.from_query.weight),
                points.detach().to(self.from_query.weight),
                scores.detach().to(self.from_query.weight),
            )
        return RefinedQueries(
            features + change.to(features), points + shift.to(points), voxels
        )

    def voxel_loss(
        self, voxels: VoxelLogits, semantics: Tensor, mask: Tensor
    ) -> dict[str, Tensor]:
        """Compute the losses of the voxel head.

        Args:
            voxels (VoxelLogits): Output of this refiner.
            semantics (Tensor): (B, X, Y, Z) class ids.
            mask (Tensor): (B, X, Y, Z) bool, True where a voxel counts.

        Returns:
            dict[str, Tensor]: Losses () by name.

        Raises:
            ValueError: If the labels have another grid.
        """
        if tuple(semantics.shape[1:]) != self.grid.shape:
            raise ValueError(
                f'labels have the grid {tuple(semantics.shape[1:])}, the '
                f'refiner {self.grid.shape}; a voxel_head needs '
                'point_cloud_range and voxel_size of the labels'
            )
        return self.voxel_head.loss(voxels, semantics, mask)

    def _compute(
        self, features: Tensor, points: Tensor, scores: Tensor
    ) -> tuple[Tensor, Tensor, VoxelLogits | None]:
        """Compute shifts of points, changes of queries and voxel logits.

        Returns:
            tuple: (B, Q, R, 3) metres, (B, Q, D), and ``VoxelLogits`` or
            None.
        """
        batch, queries, per_query = scores.shape
        voxels = self._voxelise(points, scores)
        scores = scores.flatten()[voxels.rows]  # (n,)
        query = voxels.rows // per_query  # (n,), of all B * Q queries
        x = self._encode(features, points, scores, voxels)  # (V, C)
        if len(x):
            x = self.unet(x, voxels.indices, self.grid.shape, batch)
        else:
            # Gradients of all weights are zero then, rather than missing,
            # which other processes would wait for.
            x = x + 0 * sum(p.sum() for p in self.unet.parameters())
        at_point = x[voxels.member]  # (n, C)

        shift = self.max_shift * self.to_shift(at_point).tanh()  # (n, 3)
        shift = (
            points.new_zeros(points.shape)
            .view(-1, 3)
            .index_copy(0, voxels.rows, shift)
        )
        weights = scores.exp()  # in [1, e]
        # Softmax over a query's points: (B Q,), then (B Q, C)
        total = scores.new_zeros(batch * queries).index_add(0, query, weights)
        mean = x.new_zeros(len(total), x.shape[1]).index_add(
            0, query, weights[:, None] * at_point
        )
        mean = mean / total.clamp(min=1)[:, None]
        change = self.to_query(self.norm(mean)) * (total > 0)[:, None]

        voxel_logits = None
        if self.voxel_head is not None:
            voxel_logits = VoxelLogits(voxels.indices, self.voxel_head(x))
        return (
            shift.view(points.shape),
            change.view(features.shape),
            voxel_logits,
        )

    def _voxelise(self, points: Tensor, scores: Tensor) -> _Voxels:
        """List the voxels of points (B, Q, R, 3) with scores (B, Q, R)."""
        index, inside = voxel_index(points, self.grid)
        frame = torch.arange(len(points), device=points.device)
        frame = frame[:, None, None].expand_as(inside)
        index = torch.cat([frame[..., None], index], dim=-1)[inside]  # (n, 4)
        rows = inside.flatten().nonzero().squeeze(1)  # (n,)
        key = index[:, 0]  # one number for each voxel: ((b X + x) Y + y) Z + z
        for axis, length in enumerate(self.grid.shape, start=1):
            key = key * length + index[:, axis]
        keys, member = key.unique(return_inverse=True)  # (V,), (n,)
        indices = index.new_zeros(len(keys), 4)
        indices[member] = index  # the same for all of one voxel
        if len(indices) > self.max_voxels:  # perhaps too many in some frame
            best = scores.new_zeros(len(indices)).scatter_reduce_(
                0, member, scores.flatten()[rows], 'amax'
            )  # (V,)
            kept = self._best_of_each_frame(indices[:, 0], best)
            place = torch.full_like(indices[:, 0], -1)
            place[kept] = torch.arange(len(kept), device=kept.device)
            indices, member = indices[kept], place[member]
            rows, member = rows[member >= 0], member[member >= 0]
        return _Voxels(indices, rows, member)

    def _best_of_each_frame(self, frame: Tensor, best: Tensor) -> Tensor:
        """Choose the ``max_voxels`` best voxels of each frame.

        Args:
            frame (Tensor): (V,) int64 frame of each voxel, ascending.
            best (Tensor): (V,) best score of its points.

        Returns:
            Tensor: int64 indices of the voxels to keep, ascending.
        """
        order = best.argsort(descending=True, stable=True)
        order = order[
            frame[order].argsort(stable=True)
        ]  # by frame, then score
        count = frame.bincount()
        first = count.cumsum(0) - count
        rank = torch.arange(len(order), device=order.device)
        rank = rank - first[frame[order]]
        return order[rank < self.max_voxels].sort().values

    def _encode(
        self,
        features: Tensor,
        points: Tensor,
        scores: Tensor,
        voxels: _Voxels,
    ) -> Tensor:
        """Make features of voxels (V, C) from those of queries (B, Q, D)."""
        rows, member = voxels.rows, voxels.member
        per_query = points.shape[2]
        centre = points.mean(2, keepdim=True)
        from_centre = (points - centre).flatten(0, 2)[rows]  # (n, 3)
        size = torch.as_tensor(self.grid.voxel_size).to(points)
        minimum = torch.as_tensor(self.grid.minimum).to(points)
        # In voxels, from the middle of the point's own one: (n, 3)
        inside = (points.flatten(0, 2)[rows] - minimum) / size
        inside = inside - voxels.indices[member, 1:] - 0.5
        code = torch.cat(
            [from_centre, inside, scores[:, None]], dim=1
        )  # (n, 7)
        x = self.from_query(features).flatten(0, 1)[rows // per_query]
        x = x + self.from_point(code)
        return weighted_mean(x, scores + TINY, member, len(voxels.indices))


def weighted_mean(
    x: Tensor, weights: Tensor, member: Tensor, number: int
) -> Tensor:
    """Average rows that belong together.

    Args:
        x (Tensor): (n, C).
        weights (Tensor): (n,), positive.
        member (Tensor): (n,) int64, the set of each row.
        number (int): Number of sets, each with a row at least.

    Returns:
        Tensor: (number, C).
    """
    total = weights.new_zeros(number).index_add(0, member, weights)
    return x.new_zeros(number, x.shape[1]).index_add(
        0, member, (weights / total[member])[:, None] * x
    )
