# OccVLA with SparseOccVLA's planner: stage 3 at paper size.
_base_ = [
    '../occvla/occvla_paligemma2-3b-224_stage3-planner_8xb2-6e_nus-plan.py',
    '../../../../configs/_base_/components/anchor-planner-visual.py',
]
model = dict(
    planner=dict(
        _delete_=True,
        **_base_.anchor_planner,
        reasoning_dims=2304,  # PaliGemma2-3B
        anchors=dict(
            type='AnchorBank', file='data/nuscenes/anchors_18_train.npz'
        ),
    ),
)
