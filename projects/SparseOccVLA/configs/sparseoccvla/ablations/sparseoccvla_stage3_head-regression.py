_base_ = '../sparseoccvla_r50-256x704_stage3-forecast-planner_8xb1-12e_nus-occ3d-qa.py'

# No noise: an offset from the anchor in one pass.
model = dict(
    planner=dict(
        head=dict(
            _delete_=True,
            type='RegressionHead',
            denoiser=dict(type='AnchorDenoiser'),
        ),
    ),
)
