# PaliGemma2-3B at 224 px, the backbone of OccVLA (Sec. 4.1): SigLIP-So400m/14
# and Gemma2-2B. The checkpoint is gated: ask for access on its page, then give
# the id, or a local folder, as `vlm.pretrained`. With `pretrained=None` the
# same architecture starts from random weights.
vlm = dict(
    type='PaliGemma',
    pretrained='google/paligemma2-3b-pt-224',
    config=dict(
        image_token_index=257152,
        projection_dim=2304,
        vision_config=dict(
            model_type='siglip_vision_model',
            image_size=224,
            patch_size=14,
            hidden_size=1152,
            intermediate_size=4304,
            num_hidden_layers=27,
            num_attention_heads=16,
            vision_use_head=False,
            projection_dim=2304,
        ),
        text_config=dict(
            model_type='gemma2',
            vocab_size=257216,
            hidden_size=2304,
            intermediate_size=9216,
            num_hidden_layers=26,
            num_attention_heads=8,
            num_key_value_heads=4,
            head_dim=256,
            query_pre_attn_scalar=256,
            sliding_window=4096,
            attn_logit_softcapping=50.0,
            final_logit_softcapping=30.0,
            hidden_activation='gelu_pytorch_tanh',
        ),
    ),
    dtype='bfloat16',
    # The paper: "lightweight adapters at the residual connections"; size and
    # place are ours.
    adapter=dict(
        bottleneck_dims=256,
        sublayers=['post_attention_layernorm', 'post_feedforward_layernorm'],
    ),
    # Ours: the language model moves through its adapters only, the vision
    # tower and the projector are tuned, so that occupancy can shape them.
    frozen=['language_model'],
    gradient_checkpointing=True,
)
