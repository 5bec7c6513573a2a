# The anchor-diffusion planner for a model without occupancy queries and
# reasoning token: it reads visual tokens, meta-action and ego status.
# A child sets reasoning_dims (the language model's width) and the anchors.
anchor_planner = dict(
    type='AnchorDiffusionPlanner',
    ego_dims=7,
    # speed, vx, vy, ax, ay, yaw rate, steering: each near 1
    ego_scales=(10, 10, 3, 3, 3, 0.5, 5),
    condition=dict(
        type='ConditionMemory', occ=False, visual=True, meta='soft'
    ),
    scorer=dict(type='SceneScorer', source='visual_tokens'),
    loss_score=dict(type='AnchorBCELoss'),
    head=dict(
        type='DenoisingHead',
        denoiser=dict(type='AnchorDenoiser'),
        schedule=dict(type='TruncatedDDIM'),
    ),
)
