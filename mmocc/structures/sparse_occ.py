"""Sparse occupancy features: queries, their points and classes.

B frames of a batch, Q queries, R points a query, K classes without free
space, D the width of a query. All positions are metres in the ego frame of
the current key frame.
"""

from dataclasses import dataclass, field
from typing import NamedTuple

from torch import Tensor


@dataclass(frozen=True)
class PointSet:
    """Semantic points that one layer of the encoder predicts.

    Attributes:
        points (Tensor): (B, Q, R, 3) metres.
        logits (Tensor): (B, Q, R, K); each class is a sigmoid of its own, and
            free space is the absence of all.
    """

    points: Tensor
    logits: Tensor


class VoxelLogits(NamedTuple):
    """Class logits of the V voxels with points, from a refiner.

    Attributes:
        indices (Tensor): (V, 4) int64 batch, x, y, z.
        logits (Tensor): (V, K + 1) with free space as the last class.
    """

    indices: Tensor
    logits: Tensor


@dataclass(frozen=True)
class SparseOccFeatures:
    """Occupancy queries of the encoder and the points they stand for.

    Attributes:
        features (Tensor): (B, Q, D) of the last layer.
        centres (Tensor): (B, Q, 3) mean of each query's last points.
        spread (Tensor): (B, Q, 3) their standard deviation per axis, 0 for a
            single point.
        layers (list[PointSet]): One for each decoder layer, the last one the
            prediction.
        initial_points (Tensor): (B, Q, 1, 3) learned starting points.
        voxels (dict[str, VoxelLogits]): By the layer before them, of refiners
            with a voxel head. Defaults to none.
    """

    features: Tensor
    centres: Tensor
    spread: Tensor
    layers: list[PointSet]
    initial_points: Tensor
    voxels: dict[str, VoxelLogits] = field(default_factory=dict)
