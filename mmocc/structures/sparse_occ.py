"""What passes between the parts of SparseOccVLA.

B frames of a batch, Q queries, R points a query, K classes without free
space, D the width of a query. All positions are metres in the ego frame of
the current key frame.
"""

from dataclasses import dataclass, field
from typing import NamedTuple

from torch import Tensor


@dataclass(frozen=True)
class PointSet:
    """Semantic points, as one layer of the encoder sees the world.

    Attributes:
        points (Tensor): (B, Q, R, 3) metres.
        logits (Tensor): (B, Q, R, K); each class is a sigmoid of its own, and
            free space is the absence of all.
    """

    points: Tensor
    logits: Tensor


class VoxelLogits(NamedTuple):
    """What a refiner says of the V voxels with points.

    Attributes:
        indices (Tensor): (V, 4) int64 batch, x, y, z.
        logits (Tensor): (V, K + 1) with free space as the last class.
    """

    indices: Tensor
    logits: Tensor


@dataclass(frozen=True)
class SparseOccFeatures:
    """What the encoder hands to the bridge, the forecaster and the planner.

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


@dataclass(frozen=True)
class PlannerOutput:
    """What the planner says of a batch.

    A anchors, T steps of 0.5 s.

    Attributes:
        trajectory (Tensor): (B, T, 2) chosen, x forward and y left.
        scores (Tensor): (B, A) logits of the anchors.
        chosen (Tensor): (B,) int64 index of the chosen anchor.
    """

    trajectory: Tensor
    scores: Tensor
    chosen: Tensor
