# Stage 1 (Sec. 3.4): the VLM learns driving language. No occupancy, no plan.
_base_ = [
    '../_base_/occvla.py',
    '../../../../configs/_base_/datasets/nus-occ3d-vla.py',
    '../../../../configs/_base_/schedules/adamw-cosine.py',
    '../../../../configs/_base_/default_runtime.py',
]
model = dict(occ_head=None, planner=None)

# Occupancy labels are not needed.
train_pipeline = [
    t for t in _base_.train_pipeline if t['type'] != 'LoadOcc3DFromFile'
]
test_pipeline = [
    t for t in _base_.test_pipeline if t['type'] != 'LoadOcc3DFromFile'
]
train_dataloader = dict(dataset=dict(pipeline=train_pipeline))
val_dataloader = dict(dataset=dict(pipeline=test_pipeline))
test_dataloader = dict(dataset=dict(pipeline=test_pipeline))
val_evaluator = [dict(type='MetaActionMetric'), dict(type='QAMetric')]
test_evaluator = val_evaluator

train_cfg = dict(max_epochs=1)
