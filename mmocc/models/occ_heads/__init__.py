from mmocc.models.occ_heads.latent_occ_head import LatentOccHead
from mmocc.models.occ_heads.scene_vqvae import SceneVQVAE

__all__ = ['LatentOccHead', 'SceneVQVAE']
