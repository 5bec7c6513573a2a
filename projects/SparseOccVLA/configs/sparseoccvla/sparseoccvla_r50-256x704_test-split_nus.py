# SparseOccVLA on the test split of nuScenes, which has no labels.
_base_ = [
    './sparseoccvla_r50-256x704_stage3-forecast-planner_8xb1-12e_nus-occ3d-qa.py',
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
    out_dir='work_dirs/sparseoccvla_r50-256x704_test-split_nus/predictions',
    **_base_.prediction_files,
)
load_from = None
