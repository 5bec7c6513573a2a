_base_ = '../sparseoccvla_r50-256x704_stage3-forecast-planner_8xb1-12e_nus-occ3d-qa.py'

# Anchors see each other, as in DiffusionDrive's nuScenes branch. All of them
# have to be denoised.
model = dict(
    planner=dict(
        head=dict(denoiser=dict(anchor_self_attn=True)),
        denoise='all',
        train_on='all',
    ),
)
