_base_ = '../sparseoccvla_r50-256x704_stage3-forecast-planner_8xb1-12e_nus-occ3d-qa.py'

# 6 anchors in place of 18 (tools/fit_anchors.py -k 6).
model = dict(
    planner=dict(
        anchors=dict(
            file='data/nuscenes/anchors_6_train.npz',
            num_anchors=6,
        ),
    ),
)
