_base_ = '../sparseoccvla_r50-256x704_stage3-forecast-planner_8xb1-12e_nus-occ3d-qa.py'

# DiffusionDrive's code: focal loss in place of binary cross-entropy.
model = dict(planner=dict(loss_score=dict(type='AnchorFocalLoss')))
