# A scene autoencoder for two CPU cores: same code, 0.5 M parameters. There is
# neither attention nor a codebook; OccVLA's latent is not quantised either.
vqvae = dict(
    type='SceneVQVAE',
    num_classes=18,
    grid_shape=(200, 200, 16),
    expansion=8,
    base_channels=16,
    channel_multipliers=(1, 1, 4),
    num_res_blocks=1,
    attention_levels=(),
    mid_attention=False,
    latent_channels=32,
    num_codes=None,
    zero_free_embed=True,
)
