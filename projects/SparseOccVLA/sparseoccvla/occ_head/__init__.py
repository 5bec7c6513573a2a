from mmocc.projects.SparseOccVLA.sparseoccvla.occ_head.occupied_voxels import (
    OccupiedVoxels,
    occupied_voxels,
)
from mmocc.projects.SparseOccVLA.sparseoccvla.occ_head.point_decoder import (
    PointSetDecoder,
)
from mmocc.projects.SparseOccVLA.sparseoccvla.occ_head.point_set_head import (
    PointSetOccHead,
)
from mmocc.projects.SparseOccVLA.sparseoccvla.occ_head.set_occ_loss import (
    SetOccLoss,
)

__all__ = [
    'OccupiedVoxels',
    'PointSetDecoder',
    'PointSetOccHead',
    'SetOccLoss',
    'occupied_voxels',
]
