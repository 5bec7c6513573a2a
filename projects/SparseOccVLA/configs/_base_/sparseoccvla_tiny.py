# SparseOccVLA with small random parts: the same code as at paper size, for
# tests, the demo and ideas.
_base_ = ['../../../../configs/_base_/components/causal-lm_tiny.py']
custom_imports = dict(
    imports=['mmocc.projects.SparseOccVLA.sparseoccvla'],
    allow_failed_imports=False,
)
embed_dims = 64
# 300 queries of 128 points: as many points as there are visible voxels.
num_refines = (8, 32, 128)
num_frames = 2
llm_dims = 128
set_loss = dict(
    type='SetOccLoss',
    # (frequency of the commonest / own) ** 0.3 on the synthetic mini set;
    # twice that for islands, easily lost among terrain, and a little more
    # for walls and plants.
    class_weights=(
        4.7, 5.1, 4.9, 3.7, 2.2, 3.6, 4.8, 4.1, 6.1,
        3.6, 2.6, 1.0, 3.0, 1.2, 1.2, 1.5, 1.8,
    ),
    # Minutes of training: classes must not wait for the points.
    classes_weight=10.0,
    focal_alpha=0.5,
    # Points between things say so.
    free_distance=0.6,
)  # fmt: skip

model = dict(
    type='SparseOccVLA',
    data_preprocessor=dict(
        type='Det3DDataPreprocessor',
        mean=[123.675, 116.28, 103.53],
        std=[58.395, 57.12, 57.375],
        bgr_to_rgb=True,
        pad_size_divisor=32,
    ),
    backbone=dict(
        type='mmdet.ResNet',
        depth=18,
        base_channels=16,
        out_indices=(1, 2, 3),
        norm_cfg=dict(type='BN', requires_grad=True),
    ),
    neck=dict(
        type='mmdet.FPN',
        in_channels=[32, 64, 128],
        out_channels=embed_dims,
        num_outs=3,
    ),
    encoder=dict(
        type='SparseOccEncoder',
        embed_dims=embed_dims,
        num_queries=300,
        num_refines=num_refines,
        num_frames=num_frames,
        num_points=4,
        num_levels=3,
        ffn_dims=128,
        mixing_points=16,
        dropout=0.0,
        # Queries start 4.7 m from each other: look around that far.
        min_spread=3.0,
        # A query's points cover some metres, not a voxel's neighbourhood.
        reg_scale=1.0,
        query_init='ground',
        point_reader=dict(hidden_dims=64, max_shift=1.5),
    ),
    occ_head=dict(
        type='PointSetOccHead',
        decoder=dict(type='PointSetDecoder', score_thr=0.3, ctr_dist_thr=8.0),
        loss_occ=set_loss,
        # Labels behind walls repeat the holes of the LiDAR.
        target='visible',
    ),
    bridge=dict(
        type='SparseQueryBridge',
        vlm=_base_.vlm,
        embed_dims=embed_dims,
        num_global=12,
    ),
    tokenizer='mmocc://tiny_tokenizer',
    forecaster=dict(
        type='OccForecaster',
        embed_dims=embed_dims,
        llm_dims=llm_dims,
        num_points=num_refines[-1],
        set_loss=set_loss,
    ),
    planner=dict(
        type='AnchorDiffusionPlanner',
        reasoning_dims=llm_dims,
        occ_dims=embed_dims,
        ego_dims=7,
        # speed, vx, vy, ax, ay, yaw rate, steering: each near 1
        ego_scales=(10, 10, 3, 3, 3, 0.5, 5),
        embed_dims=64,
        num_heads=4,
        anchors=dict(
            type='AnchorBank', file='data/synthetic/anchors_18_train.npz'
        ),
        condition=dict(type='ConditionMemory'),
        scorer=dict(type='ReasoningScorer', with_ego=True),
        loss_score=dict(type='AnchorBCELoss'),
        head=dict(
            type='DenoisingHead',
            denoiser=dict(type='AnchorDenoiser'),
            schedule=dict(type='TruncatedDDIM'),
        ),
    ),
)
