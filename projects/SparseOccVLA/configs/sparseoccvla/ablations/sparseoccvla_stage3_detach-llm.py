_base_ = '../sparseoccvla_r50-256x704_stage3-forecast-planner_8xb1-12e_nus-occ3d-qa.py'

# The planner's losses stay out of the language model.
model = dict(planner=dict(detach_llm=True))
