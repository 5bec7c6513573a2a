from mmocc.models.detectors.base_vla import BaseVLA
from mmocc.models.detectors.occ_autoencoder import OccAutoEncoder
from mmocc.models.detectors.token_width import require_token_width

__all__ = ['BaseVLA', 'OccAutoEncoder', 'require_token_width']
