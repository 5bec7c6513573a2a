# Stage 3, tiny: the planner on predicted meta-actions.
_base_ = [
    '../_base_/occvla_tiny.py',
    '../../../../configs/_base_/datasets/synthetic-vla_tiny.py',
    '../../../../configs/_base_/schedules/adamw_tiny.py',
    '../../../../configs/_base_/default_runtime.py',
]
# One question a frame, and nothing random: what is frozen decides once.
train_pipeline = [
    dict(t, tasks=('meta_action',), skip_unanswered=False)
    if t['type'] == 'LoadDrivingQA'
    else dict(t, with_answer=False)
    if t['type'] == 'TokenizeQA'
    else t
    for t in _base_.train_pipeline
    if t['type'] not in ('LoadOcc3DFromFile', 'RandomMirror')
]
train_dataloader = dict(batch_size=8, dataset=dict(pipeline=train_pipeline))

train_cfg = dict(max_epochs=10)
load_from = 'work_dirs/occvla_tiny_stage2-joint_synthetic/epoch_6.pth'
# New in this stage.
default_hooks = dict(complete_weights=dict(may_lack=['planner.']))
