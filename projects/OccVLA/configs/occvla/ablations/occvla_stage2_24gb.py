_base_ = '../occvla_paligemma2-3b-224_stage2-joint_8xb2-3e_nus-occ3d-qa.py'

# Ours: for GPUs of 24 GB, at the batch size of Sec. 4.1. One frame at a time,
# two before each step; two questions a frame beside the meta-action.
train_pipeline = [
    dict(t, max_questions=2) if t['type'] == 'LoadDrivingQA' else t
    for t in _base_.train_pipeline
]
train_dataloader = dict(batch_size=1, dataset=dict(pipeline=train_pipeline))
optim_wrapper = dict(accumulative_counts=2)
