_base_ = '../sparseoccvla_r50-256x704_stage3-forecast-planner_8xb1-12e_nus-occ3d-qa.py'

# Forecasts from occupancy queries alone: what the language model adds.
model = dict(forecaster=dict(fusion='encoder'))
