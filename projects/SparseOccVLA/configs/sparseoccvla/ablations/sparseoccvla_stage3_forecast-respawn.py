_base_ = '../sparseoccvla_r50-256x704_stage3-forecast-planner_8xb1-12e_nus-occ3d-qa.py'

# SparseWorld's step: points start anew from the centre of their query, and
# ego motion is learned.
model = dict(forecaster=dict(step='respawn'))
