_base_ = '../sparseoccvla_r50-256x704_stage3-forecast-planner_8xb1-12e_nus-occ3d-qa.py'

# No language model at all: the encoder forecasts and plans. The frames stay
# the same.
model = dict(
    bridge=None,
    forecaster=dict(fusion='encoder'),
    planner=dict(scorer=dict(_delete_=True, type='SceneScorer')),
)
words = ('LoadDrivingQA', 'TokenizeQA')
train_pipeline = [t for t in _base_.train_pipeline if t['type'] not in words]
test_pipeline = [t for t in _base_.test_pipeline if t['type'] not in words]
train_dataloader = dict(dataset=dict(pipeline=train_pipeline))
val_dataloader = dict(dataset=dict(pipeline=test_pipeline))
test_dataloader = val_dataloader
val_evaluator = [dict(type='OccMetric'), dict(type='PlanningMetric')]
test_evaluator = val_evaluator
load_from = 'work_dirs/sparseoccvla_r50-256x704_stage1-encoder_8xb1-36e_nus-occ3d/epoch_36.pth'
