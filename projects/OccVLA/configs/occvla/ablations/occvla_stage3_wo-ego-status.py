_base_ = '../occvla_paligemma2-3b-224_stage3-planner_8xb2-6e_nus-plan.py'

# Table 5, row 1, in the stricter reading: neither trajectory nor velocity.
model = dict(planner=dict(use_ego_history=False, use_velocity=False))
