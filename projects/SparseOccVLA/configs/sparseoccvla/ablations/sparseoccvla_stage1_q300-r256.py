_base_ = '../sparseoccvla_r50-256x704_stage1-encoder_8xb1-36e_nus-occ3d.py'

# Abstract: 300 queries in place of 600, with as many points at the end.
model = dict(
    encoder=dict(num_queries=300, num_refines=(1, 8, 32, 64, 128, 256)),
)
