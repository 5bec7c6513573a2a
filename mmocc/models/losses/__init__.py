from mmocc.models.losses.lovasz_loss import OccLovaszLoss, lovasz_softmax
from mmocc.models.losses.occ_losses import (
    IGNORE_INDEX,
    OccCrossEntropyLoss,
    VoxelSample,
)

__all__ = [
    'IGNORE_INDEX',
    'OccCrossEntropyLoss',
    'OccLovaszLoss',
    'VoxelSample',
    'lovasz_softmax',
]
