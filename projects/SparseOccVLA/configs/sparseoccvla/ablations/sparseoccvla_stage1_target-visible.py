_base_ = '../sparseoccvla_r50-256x704_stage1-encoder_8xb1-36e_nus-occ3d.py'

# Train the points on voxels that a camera sees, not on all occupied ones.
model = dict(occ_head=dict(target='visible'))
