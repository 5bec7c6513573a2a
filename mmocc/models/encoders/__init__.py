from mmocc.models.encoders.sparse_occ_encoder import SparseOccEncoder
from mmocc.models.encoders.sparse_voxel_refiner import SparseVoxelRefiner
from mmocc.models.encoders.voxel_head import VoxelHead

__all__ = ['SparseOccEncoder', 'SparseVoxelRefiner', 'VoxelHead']
