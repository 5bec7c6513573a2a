"""A SparseOccVLA smaller than tiny, with all of its parts, for tests."""

_base_ = (
    '../../../projects/SparseOccVLA/configs/sparseoccvla/'
    'sparseoccvla_tiny_stage3-forecast-planner_synthetic.py'
)
embed_dims = 32
llm_dims = 32
num_refines = (1, 2, 4)

model = dict(
    freeze_encoder=False,
    backbone=dict(base_channels=4),
    neck=dict(in_channels=[8, 16, 32], out_channels=embed_dims),
    encoder=dict(
        embed_dims=embed_dims,
        num_queries=12,
        num_refines=num_refines,
        ffn_dims=32,
        mixing_points=4,
        # Half of the points are occupied.
        class_prior=0.5,
    ),
    # Closing takes seconds on two cores.
    occ_head=dict(decoder=dict(score_thr=0.5, closing=False)),
    bridge=dict(
        embed_dims=embed_dims,
        vlm=dict(
            config=dict(
                hidden_size=llm_dims,
                intermediate_size=48,
                num_hidden_layers=2,
                num_attention_heads=4,
                num_key_value_heads=2,
                initializer_range=0.2,
            ),
        ),
    ),
    forecaster=dict(
        embed_dims=embed_dims,
        llm_dims=llm_dims,
        num_points=num_refines[-1],
    ),
    planner=dict(
        reasoning_dims=llm_dims,
        occ_dims=embed_dims,
        embed_dims=16,
        num_heads=2,
        # The checkpoint holds them.
        anchors=dict(file=None, num_anchors=6),
    ),
    max_new_tokens=3,
)
load_from = None
