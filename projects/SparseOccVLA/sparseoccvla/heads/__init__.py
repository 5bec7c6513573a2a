from mmocc.projects.SparseOccVLA.sparseoccvla.heads.regression_head import (
    RegressionHead,
)
from mmocc.projects.SparseOccVLA.sparseoccvla.heads.scene_mlp_head import (
    SceneMLPHead,
)
from mmocc.projects.SparseOccVLA.sparseoccvla.heads.vae_head import (
    VAEHead,
)

__all__ = ['RegressionHead', 'SceneMLPHead', 'VAEHead']
