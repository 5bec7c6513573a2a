# Stage 2, tiny: the language model reads the queries.
_base_ = [
    '../_base_/sparseoccvla_tiny.py',
    '../../../../configs/_base_/datasets/synthetic-sparse-vla_tiny.py',
    '../../../../configs/_base_/schedules/adamw_tiny.py',
    '../../../../configs/_base_/default_runtime.py',
]
# The encoder has learned for minutes already; words are cheap beside it.
model = dict(forecaster=None, planner=None, freeze_encoder=True)

# No forecasts yet: future labels are not needed.
train_pipeline = [
    dict(t, max_questions=10) if t['type'] == 'LoadDrivingQA' else t
    for t in _base_.train_pipeline
    if t['type'] != 'LoadFutureOcc3D'
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

train_cfg = dict(max_epochs=4)
load_from = 'work_dirs/sparseoccvla_tiny_stage1-encoder_synthetic/epoch_6.pth'
# New in this stage.
default_hooks = dict(complete_weights=dict(may_lack=['bridge.']))
