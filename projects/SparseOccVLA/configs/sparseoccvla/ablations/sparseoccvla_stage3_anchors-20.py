_base_ = '../sparseoccvla_r50-256x704_stage3-forecast-planner_8xb1-12e_nus-occ3d-qa.py'

# 20 anchors in place of 18 (tools/fit_anchors.py -k 20).
model = dict(
    planner=dict(
        anchors=dict(
            file='data/nuscenes/anchors_20_train.npz',
            num_anchors=20,
        ),
    ),
)
