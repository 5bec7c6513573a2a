_base_ = './sparseoccvla_stage3_anchors-per-command.py'

# The command gt3s, from the ground truth future, keeps six of 18 anchors, as in
# SparseDrive and DiffusionDrive.
model = dict(
    planner=dict(mask_by_command=True, condition=dict(command='gt3s')),
)
