# A random LLaMA that trains on two CPU cores, with LoRA as at paper size (but
# of a rank that fits) beside weights that train: there is nothing to preserve
# in random ones.
vlm = dict(
    type='CausalLM',
    config=dict(
        model_type='llama',
        vocab_size=1024,
        hidden_size=128,
        intermediate_size=256,
        num_hidden_layers=4,
        num_attention_heads=4,
        num_key_value_heads=4,
        max_position_embeddings=2048,
        initializer_range=0.05,
        tie_word_embeddings=True,
        pad_token_id=0,
        eos_token_id=1,
        bos_token_id=2,
    ),
)
