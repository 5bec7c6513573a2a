from mmocc.models.occ_heads.latent_occ_head import LatentOccHead
from mmocc.models.occ_heads.point_set_decoder import PointSetDecoder
from mmocc.models.occ_heads.point_set_occ_head import PointSetOccHead
from mmocc.models.occ_heads.scene_vqvae import SceneVQVAE

__all__ = ['LatentOccHead', 'PointSetDecoder', 'PointSetOccHead', 'SceneVQVAE']
