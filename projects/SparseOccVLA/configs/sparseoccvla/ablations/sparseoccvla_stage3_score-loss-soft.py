_base_ = '../sparseoccvla_r50-256x704_stage3-forecast-planner_8xb1-12e_nus-occ3d-qa.py'

# Anchors near the ground truth share the target: softmax(-distance / 0.5 m).
model = dict(planner=dict(loss_score=dict(type='AnchorSoftLoss')))
