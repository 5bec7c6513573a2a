"""The voxel refiner with tensors of fixed shapes."""

import copy
import math

import torch
from torch import Tensor, nn

from mmocc.models.layers.voxelise import voxel_index
from mmocc.projects.OnnxExport.onnx_export.dense_conv import make_dense
from mmocc.projects.SparseOccVLA.sparseoccvla.encoder.voxel_refiner import (
    TINY,
    RefinedQueries,
    SparseVoxelRefiner,
)


class DenseRefiner(nn.Module):
    """``SparseVoxelRefiner`` over all cells of its grid.

    The refiner lists the voxels that hold points, of which every frame has
    another number. Here each point adds to the row of its cell in a table of
    all cells, points outside with weight 0; sums and softmax weights of a
    query run over all of its points likewise. The results are the same.

    The table of Occ3D's grid has 640,000 rows, so this costs time where few
    are occupied; it is meant for export, not for training.

    Args:
        refiner (SparseVoxelRefiner): Refiner of the torch backend, which is
            copied. A voxel head is left out.

    Raises:
        ValueError: If its convolutions are of another backend.
    """

    def __init__(self, refiner: SparseVoxelRefiner) -> None:
        super().__init__()
        self.inner = copy.deepcopy(refiner)
        make_dense(self.inner.unet)

    def forward(
        self, features: Tensor, points: Tensor, scores: Tensor
    ) -> RefinedQueries:
        """Refine queries and points.

        Args:
            features (Tensor): (B, Q, D).
            points (Tensor): (B, Q, R, 3) metres in the ego frame.
            scores (Tensor): (B, Q, R) in [0, 1].

        Returns:
            RefinedQueries: Features and points, shaped as they came; no
            voxels, which only serve a loss.

        Raises:
            ValueError: If there could be more voxels than ``max_voxels``,
                which is not done here.
        """
        inner, grid = self.inner, self.inner.grid
        batch, queries, per_query = scores.shape
        if queries * per_query > inner.max_voxels:
            raise ValueError(
                f'{queries} queries of {per_query} points may fill more than '
                f'refiner.max_voxels = {inner.max_voxels} voxels, and an '
                'exported refiner drops none; raise max_voxels, which only '
                'matters in frames that reach it'
            )
        index, inside = voxel_index(points, grid)
        table = batch * math.prod(grid.shape)
        cell = torch.arange(batch, device=points.device)[:, None, None]
        for axis, length in enumerate(grid.shape):
            cell = cell * length + index[..., axis]
        cell = cell.flatten()  # (B * Q * R,)
        known = inside.to(scores)

        x = self._encode(features, points, scores, index).flatten(0, 2)
        weight = ((scores + TINY) * known).flatten()  # (B * Q * R,)
        total = weight.new_zeros(table).index_add(0, cell, weight)
        share = weight / total[cell].clamp(min=TINY)
        x = x.new_zeros(table, x.shape[1]).index_add(
            0, cell, share[:, None] * x
        )  # (B * X * Y * Z, C)
        occupied = (total > 0).to(x)
        x = inner.unet(x, occupied, grid.shape, batch)
        at_point = x[cell].unflatten(0, (batch, queries, per_query))

        shift = inner.max_shift * inner.to_shift(at_point).tanh()
        weight = scores.exp() * known
        total = weight.sum(dim=-1, keepdim=True)  # (B, Q, 1)
        mean = (weight[..., None] * at_point).sum(dim=2) / total.clamp(min=1)
        change = inner.to_query(inner.norm(mean)) * (total > 0)
        return RefinedQueries(
            features + change, points + shift * known[..., None], None
        )

    def _encode(
        self, features: Tensor, points: Tensor, scores: Tensor, index: Tensor
    ) -> Tensor:
        """Make features of points, (B, Q, R, C)."""
        inner, grid = self.inner, self.inner.grid
        size = torch.as_tensor(grid.voxel_size).to(points)
        minimum = torch.as_tensor(grid.minimum).to(points)
        code = torch.cat(
            [
                points - points.mean(dim=2, keepdim=True),
                (points - minimum) / size - index - 0.5,
                scores[..., None],
            ],
            dim=-1,
        )
        return inner.from_query(features)[:, :, None] + inner.from_point(code)
