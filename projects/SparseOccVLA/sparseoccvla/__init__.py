from mmocc.projects import share_modules
from mmocc.projects.SparseOccVLA.sparseoccvla.encoder import (
    SparseOccEncoder,
    SparseVoxelRefiner,
    VoxelHead,
)
from mmocc.projects.SparseOccVLA.sparseoccvla.forecast import OccForecaster
from mmocc.projects.SparseOccVLA.sparseoccvla.heads import (
    RegressionHead,
    SceneMLPHead,
    VAEHead,
)
from mmocc.projects.SparseOccVLA.sparseoccvla.occ_head import (
    PointSetOccHead,
    SetOccLoss,
)
from mmocc.projects.SparseOccVLA.sparseoccvla.sparse_occ_vla import (
    SparseOccVLA,
)

__all__ = [
    'OccForecaster',
    'PointSetOccHead',
    'RegressionHead',
    'SceneMLPHead',
    'SetOccLoss',
    'SparseOccEncoder',
    'SparseOccVLA',
    'SparseVoxelRefiner',
    'VAEHead',
    'VoxelHead',
]

share_modules(__name__)
