# A random PaliGemma 2 that trains on two CPU cores: same code, 1000 times
# smaller. Soft-capping is off, since fused attention needs that.
vlm = dict(
    type='PaliGemma',
    config=dict(
        image_token_index=4,
        projection_dim=128,
        vision_config=dict(
            model_type='siglip_vision_model',
            # Small patches of small images: colour is easy to read off.
            image_size=96,
            patch_size=8,
            hidden_size=96,
            intermediate_size=192,
            num_hidden_layers=2,
            num_attention_heads=4,
            vision_use_head=False,
            projection_dim=128,
        ),
        text_config=dict(
            model_type='gemma2',
            vocab_size=1024,
            hidden_size=128,
            intermediate_size=256,
            num_hidden_layers=4,
            num_attention_heads=4,
            num_key_value_heads=4,
            head_dim=32,
            query_pre_attn_scalar=32,
            sliding_window=4096,
            attn_logit_softcapping=None,
            final_logit_softcapping=None,
            hidden_activation='gelu_pytorch_tanh',
            pad_token_id=0,
            eos_token_id=1,
            bos_token_id=2,
            # 1 / sqrt(3 * hidden_size), PyTorch's own; 0.02 suits wide models.
            initializer_range=0.05,
        ),
    ),
    adapter=dict(
        bottleneck_dims=16,
        sublayers=['post_attention_layernorm', 'post_feedforward_layernorm'],
    ),
    # Half of the heads compare places from the start; the others are free for
    # language.
    tied_qk_gain=5.0,
    tied_qk_heads=2,
    sublayer_gain=0.3,
)
