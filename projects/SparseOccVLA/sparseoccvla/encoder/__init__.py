from mmocc.projects.SparseOccVLA.sparseoccvla.encoder.occ_encoder import (
    SparseOccEncoder,
)
from mmocc.projects.SparseOccVLA.sparseoccvla.encoder.voxel_head import (
    VoxelHead,
)
from mmocc.projects.SparseOccVLA.sparseoccvla.encoder.voxel_refiner import (
    SparseVoxelRefiner,
)

__all__ = ['SparseOccEncoder', 'SparseVoxelRefiner', 'VoxelHead']
