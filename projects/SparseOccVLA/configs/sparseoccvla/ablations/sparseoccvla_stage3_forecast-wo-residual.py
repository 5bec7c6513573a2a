_base_ = '../sparseoccvla_r50-256x704_stage3-forecast-planner_8xb1-12e_nus-occ3d-qa.py'

# The paper's ablation of the residual query: forecasts from the language
# model's outputs alone.
model = dict(forecaster=dict(fusion='llm'))
