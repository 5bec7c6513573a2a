_base_ = '../occvla_paligemma2-3b-224_stage3-planner_8xb2-6e_nus-plan.py'

# Ours: what the meta-action is worth to the planner.
model = dict(planner=dict(meta_embedding='none'))
