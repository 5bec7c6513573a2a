"""An OccVLA smaller than tiny, with all of its parts, for tests."""

_base_ = [
    '../../../configs/_base_/components/paligemma2-tiny.py',
    '../../../configs/_base_/datasets/synthetic-vla_tiny.py',
    '../../../configs/_base_/default_runtime.py',
]
custom_imports = dict(
    imports=['mmocc.projects.OccVLA.occvla'], allow_failed_imports=False
)
model = dict(
    type='OccVLA',
    data_preprocessor=dict(
        type='Det3DDataPreprocessor',
        mean=[127.5, 127.5, 127.5],
        std=[127.5, 127.5, 127.5],
        bgr_to_rgb=True,
    ),
    bridge=dict(type='VLOBridge', vlm=_base_.vlm, num_views=6),
    tokenizer='mmocc://tiny_tokenizer',
    position_code=dict(type='RayPositionCode', embed_dims=128),
    occ_head=dict(
        type='LatentOccHead',
        embed_dims=128,
        vqvae=dict(
            type='SceneVQVAE',
            base_channels=4,
            expansion=2,
            latent_channels=8,
            mid_attention=False,
            attention_levels=(),
            num_codes=None,
        ),
        query_shape=(10, 10),
        loss_occ=dict(type='OccCrossEntropyLoss', free_ratio=0.2),
    ),
    planner=dict(
        type='MLPPlanner',
        embed_dims=128,
        hidden_dims=32,
        num_heads=4,
        meta_embedding='soft',
        residual=True,
    ),
    max_new_tokens=6,
)
