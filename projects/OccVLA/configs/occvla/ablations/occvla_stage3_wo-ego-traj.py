_base_ = '../occvla_paligemma2-3b-224_stage3-planner_8xb2-6e_nus-plan.py'

# Table 5, row 1: no access to the ego trajectory. The paper does not say
# whether the current velocity goes as well; here it stays.
model = dict(planner=dict(use_ego_history=False))
