# Stage 3 (Sec. 3.4): the planner, on meta-actions that the model predicts.
_base_ = [
    '../_base_/occvla.py',
    '../../../../configs/_base_/datasets/nus-occ3d-vla.py',
    '../../../../configs/_base_/schedules/adamw-cosine.py',
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
    if t['type'] != 'LoadOcc3DFromFile'
]
train_dataloader = dict(dataset=dict(pipeline=train_pipeline))

train_cfg = dict(max_epochs=6)
load_from = 'work_dirs/occvla_paligemma2-3b-224_stage2-joint_8xb2-3e_nus-occ3d-qa/epoch_3.pth'
# New in this stage.
default_hooks = dict(complete_weights=dict(may_lack=['planner.']))
