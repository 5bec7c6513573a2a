# Tiny SparseOccVLA on a split without labels.
#
# Reads nuscenes_infos_occ_test.pkl, which
# `tools/create_data.py nuscenes --version v1.0-test` writes. No label, text
# or CAN bus is needed; docs/evaluation.md says how to run it.
_base_ = './sparseoccvla_tiny_stage3-forecast-planner_synthetic.py'
# Loaders of ground truth leave; unknown ego motion stays unknown.
test_pipeline = [
    dict(t, allow_missing=True) if t['type'] == 'LoadEgoStatus' else t
    for t in _base_.test_pipeline
    if t['type']
    not in ('LoadOcc3DFromFile', 'LoadFutureOcc3D', 'LoadMetaAction')
]
test_dataloader = dict(
    dataset=dict(
        ann_file='nuscenes_infos_occ_test.pkl',
        pipeline=test_pipeline,
        num_future=0,
    )
)
# Nothing to score: predictions go to files that tools/evaluate.py reads.
test_evaluator = dict(
    _delete_=True,
    type='PredictionFiles',
    out_dir='work_dirs/sparseoccvla_tiny_test-split_synthetic/predictions',
    truth=False,
)
load_from = None
