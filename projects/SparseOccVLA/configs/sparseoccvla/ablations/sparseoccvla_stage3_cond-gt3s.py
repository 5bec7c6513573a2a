_base_ = '../sparseoccvla_r50-256x704_stage3-forecast-planner_8xb1-12e_nus-occ3d-qa.py'

# The denoiser is told left, straight or right by where the ground truth future
# ends: an upper bound, as most published planners are.
model = dict(planner=dict(condition=dict(command='gt3s')))
