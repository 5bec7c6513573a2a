_base_ = '../sparseoccvla_r50-256x704_stage3-forecast-planner_8xb1-12e_nus-occ3d-qa.py'

# The denoiser is told the meta-action that the language model finds likeliest.
model = dict(planner=dict(condition=dict(meta='hard')))
# Frames at the end of a scene are not asked for an action.
train_dataloader = dict(
    dataset=dict(filter_cfg=dict(require=['occ', 'cot'])),
)
