# OccVLA with a random tiny VLM and a tiny VQ-VAE: the same code as at paper
# size, for tests, the demo and ideas.
_base_ = [
    '../../../../configs/_base_/components/paligemma2-tiny.py',
    '../../../../configs/_base_/components/occworld-vqvae_tiny.py',
]
custom_imports = dict(
    imports=['mmocc.projects.OccVLA.occvla'], allow_failed_imports=False
)
embed_dims = 128

model = dict(
    type='OccVLA',
    data_preprocessor=dict(
        type='Det3DDataPreprocessor',
        mean=[127.5, 127.5, 127.5],
        std=[127.5, 127.5, 127.5],
        bgr_to_rgb=True,
    ),
    bridge=dict(
        type='VLOBridge',
        vlm=_base_.vlm,
        num_views=6,
        # Queries and image tokens tell their places by one code.
        shared_image_position=True,
    ),
    tokenizer='mmocc://tiny_tokenizer',
    # Off at paper size: geometry that a tiny model cannot find in minutes.
    # Three times as strong as the image, so that queries compare places.
    position_code=dict(
        type='RayPositionCode',
        embed_dims=embed_dims,
        num_azimuth=6,
        num_range=4,
        standing_range=18.0,
        gain=3.0,
    ),
    occ_head=dict(
        type='LatentOccHead',
        embed_dims=embed_dims,
        vqvae=_base_.vqvae,
        query_shape=(25, 25),
        mask='mask_camera',
        loss_occ=dict(
            type='OccCrossEntropyLoss',
            free_ratio=0.15,
            # lambda of Eq. 3. Gradients of text are some eight times larger,
            # and Adam listens to the louder one.
            loss_weight=8.0,
            # (largest / own count in mask_camera of the mini set) ** 0.3, and
            # more for what stands
            class_weights=(
                *(4.6, 5.4, 5.0, 3.6, 2.2, 4.1, 4.8, 4.1, 6.4, 3.9, 2.7),
                *(1.0, 1.4, 1.2, 1.2),  # the flat classes
                *(2.0, 2.0, 1.0),  # manmade, vegetation, free
            ),
        ),
    ),
    planner=dict(
        type='MLPPlanner',
        embed_dims=embed_dims,
        hidden_dims=64,
        num_heads=4,
        meta_embedding='soft',
        residual=True,
    ),
    chain_of_thought=True,
)
