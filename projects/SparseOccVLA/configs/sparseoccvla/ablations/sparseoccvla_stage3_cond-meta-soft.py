_base_ = '../sparseoccvla_r50-256x704_stage3-forecast-planner_8xb1-12e_nus-occ3d-qa.py'

# The denoiser is told how likely the language model finds every speed and every
# direction.
model = dict(planner=dict(condition=dict(meta='soft')))
# Frames at the end of a scene are not asked for an action.
train_dataloader = dict(
    dataset=dict(filter_cfg=dict(require=['occ', 'cot'])),
)
