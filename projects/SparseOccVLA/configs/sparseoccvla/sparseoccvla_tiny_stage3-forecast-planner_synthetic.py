# Stage 3, tiny: forecasting and planning beside what was learned.
_base_ = [
    '../_base_/sparseoccvla_tiny.py',
    '../../../../configs/_base_/datasets/synthetic-sparse-vla_tiny.py',
    '../../../../configs/_base_/schedules/adamw_tiny.py',
    '../../../../configs/_base_/default_runtime.py',
]
model = dict(
    freeze_encoder=True,
    # A few hundred iterations: every anchor says how near it is.
    planner=dict(loss_score=dict(type='AnchorSoftLoss')),
)
custom_hooks = [
    dict(type='ForecastCurriculumHook', schedule=((0, 1), (1, 3), (2, 6))),
]
train_cfg = dict(max_epochs=3)
load_from = 'work_dirs/sparseoccvla_tiny_stage2-language_synthetic/epoch_4.pth'
# New in this stage.
default_hooks = dict(
    complete_weights=dict(may_lack=['forecaster.', 'planner.', 'question.'])
)
