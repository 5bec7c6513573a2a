# A LLaMA-family model of 7 billion weights with the adapters that the paper
# names: LoRA, r = 128, alpha = 16. Which model, and which of its layers, is
# not known to us; OmniDrive, whose setting this is, adapts the attention's
# four projections. With `pretrained=None` the same architecture starts from
# random weights.
vlm = dict(
    type='CausalLM',
    pretrained='lmsys/vicuna-7b-v1.5',
    config=dict(
        model_type='llama',
        vocab_size=32000,
        hidden_size=4096,
        intermediate_size=11008,
        num_hidden_layers=32,
        num_attention_heads=32,
        num_key_value_heads=32,
        max_position_embeddings=4096,
        rms_norm_eps=1e-5,
    ),
    dtype='bfloat16',
    lora=dict(
        r=128,
        lora_alpha=16,
        lora_dropout=0.05,
        target_modules=['q_proj', 'k_proj', 'v_proj', 'o_proj'],
    ),
    gradient_checkpointing=True,
)
