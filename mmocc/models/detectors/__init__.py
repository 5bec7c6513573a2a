from mmocc.models.detectors.base_vla import BaseVLA
from mmocc.models.detectors.occ_autoencoder import OccAutoEncoder

__all__ = ['BaseVLA', 'OccAutoEncoder']
