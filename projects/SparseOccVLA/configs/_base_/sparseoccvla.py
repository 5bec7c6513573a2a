# The whole SparseOccVLA at paper size. Stages switch parts off; all sizes
# inside are ours unless a source is named.
_base_ = ['../../../../configs/_base_/components/llama-7b-lora.py']
custom_imports = dict(
    imports=['mmocc.projects.SparseOccVLA.sparseoccvla'],
    allow_failed_imports=False,
)
embed_dims = 256
num_queries = 600  # the paper reports 300 and 600
num_frames = 8
num_refines = (1, 4, 16, 32, 64, 128)  # OPUS-T
llm_dims = 4096

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
        depth=50,
        out_indices=(0, 1, 2, 3),
        frozen_stages=1,
        norm_cfg=dict(type='BN', requires_grad=True),
        norm_eval=True,
        with_cp=True,
        init_cfg=dict(
            # nuImages, as OPUS: mmdet3d's model zoo.
            type='Pretrained',
            checkpoint='checkpoints/cascade_mask_rcnn_r50_fpn_coco-20e_20e_nuim.pth',
            prefix='backbone.',
        ),
    ),
    neck=dict(
        type='mmdet.FPN',
        in_channels=[256, 512, 1024, 2048],
        out_channels=embed_dims,
        num_outs=4,
    ),
    encoder=dict(
        type='SparseOccEncoder',
        embed_dims=embed_dims,
        num_queries=num_queries,
        num_refines=num_refines,
        num_frames=num_frames,
        num_points=4,
        refiner=dict(type='SparseVoxelRefiner', embed_dims=embed_dims),
        refine_layers=(3,),
        with_cp=True,
    ),
    occ_head=dict(
        type='PointSetOccHead',
        decoder=dict(type='PointSetDecoder'),
        loss_occ=dict(type='SetOccLoss'),
    ),
    bridge=dict(
        type='SparseQueryBridge',
        vlm=_base_.vlm,
        embed_dims=embed_dims,
        num_global=12,  # abstract
    ),
    tokenizer='lmsys/vicuna-7b-v1.5',
    forecaster=dict(
        type='OccForecaster',
        embed_dims=embed_dims,
        llm_dims=llm_dims,
        num_points=num_refines[-1],
        set_loss=dict(type='SetOccLoss'),
    ),
    planner=dict(
        type='AnchorDiffusionPlanner',
        reasoning_dims=llm_dims,
        occ_dims=embed_dims,
        ego_dims=7,
        # speed, vx, vy, ax, ay, yaw rate, steering: each near 1
        ego_scales=(10, 10, 3, 3, 3, 0.5, 5),
        anchors=dict(
            type='AnchorBank', file='data/nuscenes/anchors_18_train.npz'
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
