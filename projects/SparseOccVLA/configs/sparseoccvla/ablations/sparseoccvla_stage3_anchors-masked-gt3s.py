_base_ = '../sparseoccvla_r50-256x704_stage3-forecast-planner_8xb1-12e_nus-occ3d-qa.py'

# The command gt3s, from the ground truth future, keeps six of 18 anchors, as in
# SparseDrive and DiffusionDrive.
model = dict(
    planner=dict(
        anchors=dict(
            file='data/nuscenes/anchors_18_per-command_train.npz',
            mode='per_command',
        ),
        mask_by_command=True,
        condition=dict(command='gt3s'),
    ),
)
