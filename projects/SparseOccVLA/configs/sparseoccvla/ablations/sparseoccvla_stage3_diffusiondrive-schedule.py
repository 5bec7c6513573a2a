_base_ = '../sparseoccvla_r50-256x704_stage3-forecast-planner_8xb1-12e_nus-occ3d-qa.py'

# DiffusionDrive's nuScenes code: noise of t = 8, passes labelled 20 and 0, and
# steps of a thousandth between them.
# At test time only: weights are those of the main config.
model = dict(
    planner=dict(
        head=dict(
            schedule=dict(
                schedule='diffusiondrive_compat',
                timesteps=(20, 0),
                noise_timestep=8,
            ),
        ),
    ),
)
