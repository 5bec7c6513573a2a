# Stage 3: forecasting and planning beside what was learned. Epochs are our
# reading of the paper; forecasts reach one step further in each epoch.
# Before it: python tools/fit_anchors.py --help
_base_ = [
    '../_base_/sparseoccvla.py',
    '../../../../configs/_base_/datasets/nus-occ3d-sparse-vla.py',
    '../../../../configs/_base_/schedules/adamw-cosine.py',
    '../../../../configs/_base_/default_runtime.py',
]
optim_wrapper = dict(
    optimizer=dict(lr=1e-4),
    # The encoder has learned already.
    paramwise_cfg=dict(
        custom_keys={
            'backbone': dict(lr_mult=0.1),
            'neck': dict(lr_mult=0.1),
            'encoder': dict(lr_mult=0.1),
        },
    ),
)
custom_hooks = [
    dict(
        type='ForecastCurriculumHook',
        schedule=((0, 1), (1, 2), (2, 3), (3, 4), (4, 5), (5, 6)),
    ),
]
train_cfg = dict(max_epochs=12)
load_from = 'work_dirs/sparseoccvla_r50-256x704_stage2-language_8xb1-6e_nus-occ3d-qa/epoch_6.pth'
# New in this stage.
default_hooks = dict(
    complete_weights=dict(may_lack=['forecaster.', 'planner.', 'question.'])
)
auto_scale_lr = dict(base_batch_size=8)
