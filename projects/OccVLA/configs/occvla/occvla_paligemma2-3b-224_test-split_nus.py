# OccVLA on the test split of nuScenes, which has no labels.
_base_ = [
    './occvla_paligemma2-3b-224_stage3-planner_8xb2-6e_nus-plan.py',
    '../../../../configs/_base_/components/test-split.py',
]
test_pipeline = [
    # Unknown ego motion stays unknown.
    dict(t, allow_missing=True) if t['type'] == 'LoadEgoStatus' else t
    for t in _base_.test_pipeline
    if t['type'] not in _base_.ground_truth_loaders
]
test_dataloader = dict(
    dataset=dict(pipeline=test_pipeline, **_base_.unlabelled_data)
)
test_evaluator = dict(
    _delete_=True,
    out_dir='work_dirs/occvla_paligemma2-3b-224_test-split_nus/predictions',
    **_base_.prediction_files,
)
load_from = None
