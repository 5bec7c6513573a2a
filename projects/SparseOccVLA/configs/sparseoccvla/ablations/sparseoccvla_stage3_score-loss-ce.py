_base_ = '../sparseoccvla_r50-256x704_stage3-forecast-planner_8xb1-12e_nus-occ3d-qa.py'

# Scores compete: one cross-entropy over the anchors.
model = dict(planner=dict(loss_score=dict(type='AnchorCELoss')))
