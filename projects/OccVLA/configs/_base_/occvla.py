# The whole OccVLA at paper size. Stages and ablations switch parts off or
# change leaves; what the paper does not say is marked "ours".
_base_ = [
    '../../../../configs/_base_/components/paligemma2-3b-224.py',
    '../../../../configs/_base_/components/occworld-vqvae.py',
]
custom_imports = dict(
    imports=['mmocc.projects.OccVLA.occvla'], allow_failed_imports=False
)
embed_dims = 2304  # PaliGemma2-3B

model = dict(
    type='OccVLA',
    data_preprocessor=dict(
        type='Det3DDataPreprocessor',
        mean=[127.5, 127.5, 127.5],  # PaliGemma: [-1, 1], RGB
        std=[127.5, 127.5, 127.5],
        bgr_to_rgb=True,
    ),
    bridge=dict(
        type='VLOBridge',
        vlm=_base_.vlm,
        num_views=6,
        text_attends_queries=False,  # Sec. 3.2: makes no difference
    ),
    tokenizer='google/paligemma2-3b-pt-224',
    occ_head=dict(
        type='LatentOccHead',
        embed_dims=embed_dims,
        vqvae=_base_.vqvae,
        query_shape=(50, 50),  # one query for each latent cell, r = 4
        quantise=False,  # ours
        post_quant_conv=True,  # ours
        supervise='voxel',  # Sec. 3.4: better than the latent
        mask='mask_camera',  # ours
        loss_occ=dict(type='OccCrossEntropyLoss', loss_weight=1.0),  # ours
    ),
    planner=dict(
        type='MLPPlanner',
        embed_dims=embed_dims,
        use_velocity=True,
        use_ego_history=True,
        meta_embedding='hard',  # ours
    ),
    chain_of_thought=True,
)
