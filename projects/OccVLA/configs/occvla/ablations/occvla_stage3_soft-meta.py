_base_ = '../occvla_paligemma2-3b-224_stage3-planner_8xb2-6e_nus-plan.py'

# Ours: embed the distribution over meta-actions, not the likeliest one.
model = dict(planner=dict(meta_embedding='soft'))
