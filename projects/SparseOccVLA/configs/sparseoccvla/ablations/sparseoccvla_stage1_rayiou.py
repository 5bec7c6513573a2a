_base_ = '../sparseoccvla_r50-256x704_stage1-encoder_8xb1-36e_nus-occ3d.py'

# Evaluation only: RayIoU (SparseOcc, ECCV 2024) beside the stage's metrics.
infos = 'data/nuscenes/nuscenes_infos_occ_val.pkl'
val_evaluator = [
    *_base_.val_evaluator,
    dict(type='RayIoUMetric', ann_file=infos),
]
test_evaluator = val_evaluator
