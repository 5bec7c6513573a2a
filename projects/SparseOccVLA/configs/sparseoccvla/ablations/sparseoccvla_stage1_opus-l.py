_base_ = '../sparseoccvla_r50-256x704_stage1-encoder_8xb1-36e_nus-occ3d.py'

# OPUS-L's schedule: more queries of fewer points. Too many tokens for a
# language model; it tells what the encoder loses by having few.
model = dict(
    encoder=dict(
        num_queries=4800,
        num_points=2,
        num_refines=(1, 2, 4, 8, 16, 16),
    ),
)
