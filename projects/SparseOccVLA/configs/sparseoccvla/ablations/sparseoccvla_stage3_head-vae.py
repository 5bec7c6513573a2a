_base_ = '../sparseoccvla_r50-256x704_stage3-forecast-planner_8xb1-12e_nus-occ3d-qa.py'

# A variational autoencoder around the anchor, which ORION prefers.
model = dict(
    planner=dict(
        head=dict(
            _delete_=True,
            type='VAEHead',
            denoiser=dict(type='AnchorDenoiser'),
        ),
    ),
)
