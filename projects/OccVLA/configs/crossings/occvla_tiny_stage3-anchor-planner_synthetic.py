# OccVLA with SparseOccVLA's planner: stage 3, tiny.
_base_ = [
    '../occvla/occvla_tiny_stage3-planner_synthetic.py',
    '../../../../configs/_base_/components/anchor-planner-visual.py',
]
model = dict(
    planner=dict(
        _delete_=True,
        **_base_.anchor_planner,
        reasoning_dims=128,
        embed_dims=64,
        num_heads=4,
        anchors=dict(
            type='AnchorBank', file='data/synthetic/anchors_18_train.npz'
        ),
    ),
)
