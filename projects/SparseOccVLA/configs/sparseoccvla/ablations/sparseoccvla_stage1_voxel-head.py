_base_ = '../sparseoccvla_r50-256x704_stage1-encoder_8xb1-36e_nus-occ3d.py'

# Do voxels that say what they hold help the points in them? An auxiliary
# cross-entropy on what the sparse convolutions make of each voxel.
model = dict(encoder=dict(refiner=dict(voxel_head=dict(type='VoxelHead'))))
