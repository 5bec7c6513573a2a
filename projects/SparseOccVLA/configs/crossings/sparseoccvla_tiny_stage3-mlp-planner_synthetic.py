# SparseOccVLA with OccVLA's planner on its own meta-actions: stage 3, tiny.
_base_ = (
    '../sparseoccvla/sparseoccvla_tiny_stage3-forecast-planner_synthetic.py'
)
model = dict(
    planner=dict(
        _delete_=True,
        type='MLPPlanner',
        embed_dims=128,
        hidden_dims=64,
        num_heads=4,
        meta_embedding='soft',
        residual=True,
    ),
)
# Frames at the end of a scene are not asked for an action.
train_dataloader = dict(
    dataset=dict(filter_cfg=dict(require=['occ', 'cot'])),
)
