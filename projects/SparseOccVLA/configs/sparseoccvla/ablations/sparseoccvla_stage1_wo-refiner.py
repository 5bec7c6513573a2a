_base_ = '../sparseoccvla_r50-256x704_stage1-encoder_8xb1-36e_nus-occ3d.py'

# What sparse convolutions between the layers are worth.
model = dict(encoder=dict(refiner=None, refine_layers=()))
