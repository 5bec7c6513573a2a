from mmocc.projects import share_modules
from mmocc.projects.SparseOccVLA.sparseoccvla.clip_distillation import (
    CLIPDistillation,
)
from mmocc.projects.SparseOccVLA.sparseoccvla.clip_teacher import (
    CLIPVisionTeacher,
)
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
from mmocc.projects.SparseOccVLA.sparseoccvla.sparse_query_bridge import (
    SparseQueryBridge,
)

__all__ = [
    'CLIPDistillation',
    'CLIPVisionTeacher',
    'OccForecaster',
    'PointSetOccHead',
    'RegressionHead',
    'SceneMLPHead',
    'SetOccLoss',
    'SparseOccEncoder',
    'SparseOccVLA',
    'SparseQueryBridge',
    'SparseVoxelRefiner',
    'VAEHead',
    'VoxelHead',
]

share_modules(__name__)
