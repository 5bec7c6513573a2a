_base_ = '../sparseoccvla_r50-256x704_stage3-forecast-planner_8xb1-12e_nus-occ3d-qa.py'

# L1 of positions in metres, nearer to the metric than that of steps.
model = dict(planner=dict(loss_space='metres'))
