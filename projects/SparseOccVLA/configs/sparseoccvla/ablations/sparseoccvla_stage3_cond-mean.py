_base_ = '../sparseoccvla_r50-256x704_stage3-forecast-planner_8xb1-12e_nus-occ3d-qa.py'

# Trajectories read the mean of the condition in place of attending to it.
model = dict(planner=dict(head=dict(denoiser=dict(fusion='mean'))))
