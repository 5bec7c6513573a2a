_base_ = '../sparseoccvla_r50-256x704_stage3-forecast-planner_8xb1-12e_nus-occ3d-qa.py'

# The scorer reads the reasoning token alone, as the paper's figure shows.
model = dict(planner=dict(scorer=dict(with_ego=False)))
