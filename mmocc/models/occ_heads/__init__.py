from mmocc.models.occ_heads.scene_vqvae import SceneVQVAE

__all__ = ['SceneVQVAE']
