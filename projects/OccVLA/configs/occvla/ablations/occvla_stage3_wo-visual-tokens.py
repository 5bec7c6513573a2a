_base_ = '../occvla_paligemma2-3b-224_stage3-planner_8xb2-6e_nus-plan.py'

# Ours: what the images are worth to the planner beside ego motion.
model = dict(planner=dict(use_visual_tokens=False))
