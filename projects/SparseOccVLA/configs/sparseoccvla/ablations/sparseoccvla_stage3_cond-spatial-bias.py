_base_ = '../sparseoccvla_r50-256x704_stage3-forecast-planner_8xb1-12e_nus-occ3d-qa.py'

# Attention to an occupancy query falls with its distance from the trajectory.
model = dict(
    planner=dict(head=dict(denoiser=dict(spatial_bias=True))),
)
