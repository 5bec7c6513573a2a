"""Lets points of different queries see each other where they are, in voxels.

As the :class:`SparseVoxelRefiner`, but for features that every point has of
its own. Ours.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from mmocc.models.encoders.sparse_unet import SparseUNet
from mmocc.models.layers.voxelise import voxel_index
from mmocc.structures import OccGrid
from mmocc.structures.occ3d import POINT_CLOUD_RANGE


class PointContext(nn.Module):
    """Points to voxels, through a sparse U-Net, and back to the points.

    Features of a voxel's points are averaged. What the U-Net makes of a voxel
    is added to its points; that way starts at zero, so that an untrained
    context changes nothing. Points outside the range stay as they are.

    Args:
        dims (int): Width of the points' features.
        channels (Sequence[int]): Width of the U-Net at each scale. Defaults
            to (32, 64).
        num_blocks (int): Residual blocks at each scale. Defaults to 1.
        voxel_size (Sequence[float]): Edge lengths in metres. Defaults to
            twice Occ3D's.
        point_cloud_range (Sequence[float]): x, y, z minimum, then maximum, in
            metres. Defaults to Occ3D's.
        backend (str): ``spconv``, ``torch`` or ``auto``. Defaults to 'auto'.
    """

    def __init__(
        self,
        dims: int,
        channels: Sequence[int] = (32, 64),
        num_blocks: int = 1,
        voxel_size: Sequence[float] = (0.8, 0.8, 0.8),
        point_cloud_range: Sequence[float] = POINT_CLOUD_RANGE,
        backend: str = 'auto',
    ) -> None:
        super().__init__()
        self.grid = OccGrid(point_cloud_range, voxel_size)
        self.enter = nn.Linear(dims, channels[0])
        self.unet = SparseUNet(channels, num_blocks, backend)
        self.leave = nn.Linear(channels[0], dims)
        nn.init.zeros_(self.leave.weight)
        nn.init.zeros_(self.leave.bias)

    def forward(self, x: Tensor, points: Tensor) -> Tensor:
        """Add what surrounds each point.

        Args:
            x (Tensor): (B, Q, R, H), in the precision of the weights.
            points (Tensor): (B, Q, R, 3) metres, without a gradient.

        Returns:
            Tensor: (B, Q, R, H).
        """
        index, inside = voxel_index(points, self.grid)
        frame = torch.arange(len(points), device=points.device)
        frame = frame[:, None, None, None].expand(*inside.shape, 1)
        index = torch.cat([frame, index], dim=-1)[inside]  # (n, 4)
        voxels, member = index.unique(dim=0, return_inverse=True)
        own = self.enter(x[inside])
        count = member.bincount(minlength=len(voxels)).clamp(min=1)
        mean = own.new_zeros(len(voxels), own.shape[1])
        mean = mean.index_add(0, member, own) / count[:, None]
        if len(voxels):
            mean = self.unet(mean, voxels, self.grid.shape, len(points))
        else:
            # Gradients of all weights are zero then, rather than missing.
            mean = mean + 0 * sum(p.sum() for p in self.unet.parameters())
        return x.masked_scatter(
            inside[..., None], x[inside] + self.leave(mean)[member]
        )
