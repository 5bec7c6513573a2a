from mmocc.models.detectors.base_vla import META_TASK, BaseVLA
from mmocc.models.detectors.occ_autoencoder import OccAutoEncoder
from mmocc.utils import pretrained_init  # noqa: F401, safe loaders

__all__ = ['META_TASK', 'BaseVLA', 'OccAutoEncoder']
