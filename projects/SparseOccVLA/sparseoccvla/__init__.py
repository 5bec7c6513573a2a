from mmocc.projects import share_modules
from mmocc.projects.SparseOccVLA.sparseoccvla.forecast import OccForecaster
from mmocc.projects.SparseOccVLA.sparseoccvla.heads import (
    RegressionHead,
    SceneMLPHead,
    VAEHead,
)
from mmocc.projects.SparseOccVLA.sparseoccvla.sparse_occ_vla import (
    SparseOccVLA,
)

__all__ = [
    'OccForecaster',
    'RegressionHead',
    'SceneMLPHead',
    'SparseOccVLA',
    'VAEHead',
]

share_modules(__name__)
