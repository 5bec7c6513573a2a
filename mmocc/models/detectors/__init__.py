from mmocc.models.detectors.base_vla import META_TASK, BaseVLA
from mmocc.models.detectors.occ_autoencoder import OccAutoEncoder

__all__ = ['META_TASK', 'BaseVLA', 'OccAutoEncoder']
