_base_ = '../sparseoccvla_r50-256x704_stage3-forecast-planner_8xb1-12e_nus-occ3d-qa.py'

# Eight draws of noise for each frame in training, which the denoising of one
# anchor pays for.
model = dict(planner=dict(noise_draws=8))
