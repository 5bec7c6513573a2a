# SparseOccVLA with OccVLA's planner on its own meta-actions: stage 3.
_base_ = '../sparseoccvla/sparseoccvla_r50-256x704_stage3-forecast-planner_8xb1-12e_nus-occ3d-qa.py'
model = dict(
    planner=dict(
        _delete_=True,
        type='MLPPlanner',
        embed_dims=4096,  # Vicuna-7B
        meta_embedding='hard',
    ),
)
# Frames at the end of a scene are not asked for an action.
train_dataloader = dict(
    dataset=dict(filter_cfg=dict(require=['occ', 'cot'])),
)
