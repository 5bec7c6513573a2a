# OccWorld's scene VQ-VAE at its own sizes: 14.2 M parameters, and a state dict
# with the names and shapes of its checkpoints.
vqvae = dict(
    type='SceneVQVAE',
    num_classes=18,
    grid_shape=(200, 200, 16),
    expansion=8,
    base_channels=64,
    channel_multipliers=(1, 2, 4),
    num_res_blocks=2,
    attention_levels=(2,),
    mid_attention=True,
    latent_channels=128,
    num_codes=512,
    beta=1.0,
)
