# Stage 2: queries are aligned with the language model, which learns to answer.
# Epochs are our reading of the paper.
_base_ = [
    '../_base_/sparseoccvla.py',
    '../../../../configs/_base_/datasets/nus-occ3d-sparse-vla.py',
    '../../../../configs/_base_/schedules/adamw-cosine.py',
    '../../../../configs/_base_/default_runtime.py',
]
model = dict(forecaster=None, planner=None)

# No forecasts yet: future labels are not needed.
train_pipeline = [
    t for t in _base_.train_pipeline if t['type'] != 'LoadFutureOcc3D'
]
test_pipeline = [
    t for t in _base_.test_pipeline if t['type'] != 'LoadFutureOcc3D'
]
train_dataloader = dict(dataset=dict(pipeline=train_pipeline, num_future=0))
val_dataloader = dict(dataset=dict(pipeline=test_pipeline, num_future=0))
test_dataloader = val_dataloader
val_evaluator = [
    dict(type='OccMetric'),
    dict(type='MetaActionMetric'),
    dict(type='QAMetric'),
]
test_evaluator = val_evaluator

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
train_cfg = dict(max_epochs=6)
load_from = 'work_dirs/sparseoccvla_r50-256x704_stage1-encoder_8xb1-36e_nus-occ3d/epoch_36.pth'
# New in this stage.
default_hooks = dict(complete_weights=dict(may_lack=['bridge.']))
auto_scale_lr = dict(base_batch_size=8)
