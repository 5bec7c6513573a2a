from mmocc.projects import share_modules
from mmocc.projects.OccVLA.occvla.latent_occ_head import LatentOccHead
from mmocc.projects.OccVLA.occvla.occvla import OccVLA
from mmocc.projects.OccVLA.occvla.vlo_bridge import VLOBridge

__all__ = ['LatentOccHead', 'OccVLA', 'VLOBridge']

share_modules(__name__)
