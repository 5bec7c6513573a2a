_base_ = '../sparseoccvla_r50-256x704_stage3-forecast-planner_8xb1-12e_nus-occ3d-qa.py'

# Three passes, at t = 8, 5 and 2.
# At test time only: weights are those of the main config.
model = dict(planner=dict(head=dict(schedule=dict(timesteps=(8, 5, 2)))))
