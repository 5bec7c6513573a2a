_base_ = '../sparseoccvla_r50-256x704_stage1-encoder_8xb1-36e_nus-occ3d.py'

# Abstract: 300 queries in place of 600; half the points at the end.
model = dict(encoder=dict(num_queries=300))
