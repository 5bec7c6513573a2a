"""Training of the scene VQ-VAE by reconstructing occupancy."""

import torch
from mmengine.model import BaseModel
from mmengine.structures import BaseDataElement

from mmocc.models.losses import IGNORE_INDEX
from mmocc.registry import MODELS
from mmocc.structures import OccDataSample

NUM_SYMMETRIES = 8


def apply_symmetry(grids: torch.Tensor, symmetry: int) -> torch.Tensor:
    """Mirror or turn grids by one of the symmetries of the square.

    Args:
        grids (Tensor): (..., X, Y, Z), with X = Y for symmetries above 3.
        symmetry (int): In [0, 8): bit 0 mirrors x, bit 1 mirrors y, bit 2
            then swaps x and y. 0 changes nothing.

    Returns:
        Tensor: Of the same shape.
    """
    if symmetry & 1:
        grids = grids.flip(-3)
    if symmetry & 2:
        grids = grids.flip(-2)
    if symmetry & 4:
        grids = grids.transpose(-3, -2)
    return grids


@MODELS.register_module()
class OccAutoEncoder(BaseModel):
    """Reconstruct ground-truth occupancy through a scene VQ-VAE.

    The first stage of OccWorld (arXiv 2311.16038): voxel cross-entropy,
    Lovász-softmax and the embedding loss of the quantiser. There are no
    images; mmengine's ``BaseDataPreprocessor`` moves the data samples.

    Args:
        vqvae (dict): Config of a ``SceneVQVAE``.
        loss_ce (dict): Config of an ``OccCrossEntropyLoss``. The voxels that
            it selects are those that every loss sees.
        loss_lovasz (dict, optional): Config of an ``OccLovaszLoss``. Defaults
            to None, without it.
        embed_weight (float): Factor on the embedding loss. Defaults to 1.
        mask (str, optional): ``mask_camera`` or ``mask_lidar`` limits the
            losses to the voxels that these sensors observed. The input stays
            whole. Defaults to None, all voxels as in OccWorld.
        random_symmetry (bool): Whether to train on frames that are mirrored
            and turned at random; needs X = Y. Defaults to False.
        crop_size (int, optional): Train on a random square of so many voxels
            a side instead of whole frames: more steps for the same work.
            Attention and group norms then see less than at prediction.
            Defaults to None, whole frames.
        data_preprocessor (dict, optional): Defaults to mmengine's base class.
        init_cfg (dict, optional): mmengine's initialisation config.
    """

    def __init__(
        self,
        vqvae: dict,
        loss_ce: dict,
        loss_lovasz: dict | None = None,
        embed_weight: float = 1.0,
        mask: str | None = None,
        random_symmetry: bool = False,
        crop_size: int | None = None,
        data_preprocessor: dict | None = None,
        init_cfg: dict | None = None,
    ) -> None:
        super().__init__(data_preprocessor, init_cfg)
        self.vqvae = MODELS.build(vqvae)
        self.loss_ce = MODELS.build(loss_ce)
        self.loss_lovasz = (
            None if loss_lovasz is None else MODELS.build(loss_lovasz)
        )
        self.embed_weight = embed_weight
        self.mask = mask
        self.random_symmetry = random_symmetry
        self.crop_size = crop_size
        size = self.vqvae.grid_shape[:2]
        if random_symmetry and size[0] != size[1]:
            raise ValueError(
                f'random_symmetry turns the grid by 90 degrees, but its '
                f'ground plan is {size[0]} x {size[1]} voxels; switch it off'
            )
        if crop_size is not None and not 0 < crop_size <= min(size):
            raise ValueError(
                f'crop_size is {crop_size}, expected 1 to {min(size)} voxels, '
                'or None for whole frames'
            )

    def forward(
        self,
        inputs: dict | None = None,
        data_samples: list[OccDataSample] | None = None,
        mode: str = 'tensor',
    ) -> dict[str, torch.Tensor] | list[OccDataSample] | torch.Tensor:
        """Run one of mmengine's three modes.

        Args:
            inputs (dict, optional): Not used; there for the common contract.
            data_samples (list[OccDataSample]): B frames with ``gt_occ``.
            mode (str): ``loss``, ``predict`` or ``tensor``.

        Returns:
            dict, list or Tensor: Losses; the samples with ``pred_occ``;
            logits (B, X, Y, Z, num_classes).
        """
        if mode == 'loss':
            return self.loss(data_samples)
        if mode == 'predict':
            return self.predict(data_samples)
        if mode == 'tensor':
            return self.vqvae.logits(self.reconstruct(data_samples))
        raise ValueError(
            f"OccAutoEncoder got mode='{mode}', expected 'loss', 'predict' "
            "or 'tensor'"
        )

    def loss(
        self, data_samples: list[OccDataSample]
    ) -> dict[str, torch.Tensor]:
        """Compute the losses of a batch and how many codes it used.

        Args:
            data_samples (list[OccDataSample]): B frames with ``gt_occ``.

        Returns:
            dict[str, Tensor]: ``loss_ce``, ``loss_lovasz`` where it is
            configured, and with a codebook ``loss_embed`` and ``used_codes``.
        """
        semantics = self._stack(data_samples, 'semantics')
        labels = semantics
        if self.mask is not None:
            observed = self._stack(data_samples, self.mask).bool()
            labels = semantics.masked_fill(~observed, IGNORE_INDEX)
        semantics, labels = self._augment(torch.stack([semantics, labels]))

        latent = self.vqvae.encode(semantics)  # (B, C, X', Y')
        code, embed_loss, indices = self.vqvae.quantise(latent)
        features = self.vqvae.decode(code, size=semantics.shape[1:3])
        sample = self.loss_ce.select(labels)
        logits = self.vqvae.logits_at(features, sample.index)

        losses = {'loss_ce': self.loss_ce(logits, sample)}
        if self.loss_lovasz is not None:
            losses['loss_lovasz'] = self.loss_lovasz(logits, sample.labels)
        if indices is not None:
            losses['loss_embed'] = self.embed_weight * embed_loss
            losses['used_codes'] = latent.new_tensor(len(indices.unique()))
        return losses

    def _augment(self, grids: torch.Tensor) -> torch.Tensor:
        """Crop, mirror and turn grids (..., X, Y, Z), all in the same way."""
        if self.crop_size is not None:
            for axis in (-3, -2):
                room = grids.shape[axis] - self.crop_size
                start = int(torch.randint(room + 1, ()))
                grids = grids.narrow(axis, start, self.crop_size)
        if self.random_symmetry:
            symmetry = int(torch.randint(NUM_SYMMETRIES, ()))
            grids = apply_symmetry(grids, symmetry)
        return grids

    def predict(
        self, data_samples: list[OccDataSample]
    ) -> list[OccDataSample]:
        """Write the reconstruction into ``pred_occ`` of each sample."""
        semantics = self.vqvae.classify(self.reconstruct(data_samples))
        for sample, grid in zip(data_samples, semantics, strict=True):
            sample.pred_occ = BaseDataElement(semantics=grid)
        return data_samples

    def reconstruct(self, data_samples: list[OccDataSample]) -> torch.Tensor:
        """Compute voxel features (B, X, Y, Z, E) of frames with ``gt_occ``."""
        latent = self.vqvae.encode(self._stack(data_samples, 'semantics'))
        return self.vqvae.decode(self.vqvae.quantise(latent)[0])

    @staticmethod
    def _stack(data_samples: list[OccDataSample], name: str) -> torch.Tensor:
        """Stack one field of ``gt_occ`` of all samples, (B, X, Y, Z)."""
        grids = []
        for sample in data_samples:
            if 'gt_occ' not in sample or name not in sample.gt_occ:
                raise KeyError(
                    f'sample {sample.get("token")} has no gt_occ.{name}, '
                    'which OccAutoEncoder needs: load occupancy labels in '
                    'the pipeline'
                )
            grids.append(getattr(sample.gt_occ, name))
        return torch.stack(grids)
