# A language model of half a billion weights, for one GPU of 24 GB, with the
# adapters of the 7B one. Not `vlm`, so that it can stand beside that as a base.
small_vlm = dict(
    type='CausalLM',
    pretrained='Qwen/Qwen2.5-0.5B-Instruct',
    config=dict(
        model_type='qwen2',
        vocab_size=151936,
        hidden_size=896,
        intermediate_size=4864,
        num_hidden_layers=24,
        num_attention_heads=14,
        num_key_value_heads=2,
        max_position_embeddings=32768,
        rope_theta=1_000_000.0,
        rms_norm_eps=1e-6,
        tie_word_embeddings=True,
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
small_llm_dims = 896
small_tokenizer = 'Qwen/Qwen2.5-0.5B-Instruct'
