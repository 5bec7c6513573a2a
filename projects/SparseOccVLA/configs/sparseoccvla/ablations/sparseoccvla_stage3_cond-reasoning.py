_base_ = '../sparseoccvla_r50-256x704_stage3-forecast-planner_8xb1-12e_nus-occ3d-qa.py'

# The denoiser reads the reasoning token as well.
model = dict(planner=dict(condition=dict(reasoning=True)))
