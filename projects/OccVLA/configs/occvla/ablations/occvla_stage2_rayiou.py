_base_ = '../occvla_paligemma2-3b-224_stage2-joint_8xb2-3e_nus-occ3d-qa.py'

# Evaluation only: RayIoU (SparseOcc, ECCV 2024) beside the stage's metrics.
infos = 'data/nuscenes/nuscenes_infos_occ_val.pkl'
val_evaluator = [
    *_base_.val_evaluator,
    dict(type='RayIoUMetric', ann_file=infos),
]
test_evaluator = val_evaluator
