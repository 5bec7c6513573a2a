_base_ = '../sparseoccvla_r50-256x704_stage3-forecast-planner_8xb1-12e_nus-occ3d-qa.py'

# Six anchors each for futures to the left, ahead and to the right, scored as
# 18: tools/fit_anchors.py --mode per_command.
model = dict(
    planner=dict(
        anchors=dict(
            file='data/nuscenes/anchors_18_per-command_train.npz',
            mode='per_command',
        ),
    ),
)
