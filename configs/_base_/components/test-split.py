# A split without labels, such as nuScenes' test split.
#
# Reads nuscenes_infos_occ_test.pkl, which
# `tools/create_data.py nuscenes --version v1.0-test` writes. No label, text
# or CAN bus is needed; docs/evaluation.md says how to run it. A child takes
# the loaders of ground truth out of its pipeline and names the folder.
unlabelled_data = dict(ann_file='nuscenes_infos_occ_test.pkl', num_future=0)
ground_truth_loaders = (
    'LoadOcc3DFromFile',
    'LoadFutureOcc3D',
    'LoadMetaAction',
)
# Nothing to score: predictions go to files that tools/evaluate.py reads.
prediction_files = dict(type='PredictionFiles', truth=False)
