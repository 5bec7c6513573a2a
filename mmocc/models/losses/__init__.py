from mmocc.models.losses.lovasz_loss import OccLovaszLoss, lovasz_softmax
from mmocc.models.losses.occ_losses import (
    IGNORE_INDEX,
    OccCrossEntropyLoss,
    VoxelSample,
)
from mmocc.models.losses.occupied_voxels import (
    OccupiedVoxels,
    occupied_voxels,
)
from mmocc.models.losses.set_occ_loss import SetOccLoss

__all__ = [
    'IGNORE_INDEX',
    'OccCrossEntropyLoss',
    'OccLovaszLoss',
    'OccupiedVoxels',
    'SetOccLoss',
    'VoxelSample',
    'lovasz_softmax',
    'occupied_voxels',
]
