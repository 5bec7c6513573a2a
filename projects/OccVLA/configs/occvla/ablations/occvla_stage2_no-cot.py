_base_ = '../occvla_paligemma2-3b-224_stage2-joint_8xb2-3e_nus-occ3d-qa.py'

# Ours: the meta-action straight from the question.
model = dict(chain_of_thought=False)
train_pipeline = [
    dict(t, answer_style='action') if t['type'] == 'LoadDrivingQA' else t
    for t in _base_.train_pipeline
]
train_dataloader = dict(dataset=dict(pipeline=train_pipeline))
