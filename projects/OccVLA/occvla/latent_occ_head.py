"""OccVLA's latent occupancy head (paper Sec. 3.2, "Latent Occupancy").

Queries leave the language model, a linear layer maps them to the latent map
of a scene VQ-VAE, and its decoder and class table turn that into voxels. The
decoder's weights stay while gradients pass through them: give them a learning
rate of zero in the config (``paramwise_cfg``), as the paper does.
"""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from mmengine.model import BaseModule
from mmengine.structures import BaseDataElement
from torch import Tensor, nn

from mmocc.registry import MODELS
from mmocc.structures import OccDataSample, OccGrid

# Spread of new query embeddings, as BERT's and PaliGemma's.
INIT_STD = 0.02
SUPERVISIONS = ('voxel', 'latent')


@MODELS.register_module()
class LatentOccHead(BaseModule):
    """Map the states of occupancy queries to voxel classes.

    B frames, Q queries in an (Xq, Yq) grid over the ground, D the width of
    the language model, C and (X', Y') the VQ-VAE's latent map.

    Where the paper is silent: the latent is not quantised, and passes
    ``post_quant_conv``, since that is what leads to the space the decoder was
    trained on; the queries are one learned vector each plus learned row and
    column embeddings; voxels outside the camera mask are not supervised.

    Args:
        embed_dims (int): D.
        vqvae (dict): Config of a ``SceneVQVAE``.
        loss_occ (dict): Config of an ``OccCrossEntropyLoss``; its
            ``loss_weight`` is the lambda of Eq. 3.
        query_shape (Sequence[int]): (Xq, Yq). Must divide (X', Y'); each
            query then predicts a square of the latent map. Defaults to
            (50, 50), one query for each latent cell.
        quantise (bool): Snap the latent to the codebook, with a
            straight-through gradient. Defaults to False.
        post_quant_conv (bool): Whether the latent passes it. Defaults to
            True.
        supervise (str): ``voxel``, or ``latent`` for the mean squared
            distance to the encoded ground truth, which the paper found to be
            worse. Defaults to 'voxel'.
        mask (str, optional): ``mask_camera`` or ``mask_lidar`` limits voxel
            supervision to what these sensors observed. Defaults to
            'mask_camera'.
        frozen_vqvae (bool): Also leave out the decoder's weight gradients,
            which a learning rate of zero never uses. Same training, less
            work, except that gradient clipping no longer counts them.
            Defaults to False.
        dtype (str): Type of the decoder's arithmetic; weights stay in float32.
            Defaults to 'float32'.
        init_cfg (dict, optional): mmengine's initialisation config.
    """

    # The config key that holds the width of the language model.
    token_width_key = 'embed_dims'

    def __init__(
        self,
        embed_dims: int,
        vqvae: dict,
        loss_occ: dict,
        query_shape: Sequence[int] = (50, 50),
        quantise: bool = False,
        post_quant_conv: bool = True,
        supervise: str = 'voxel',
        mask: str | None = 'mask_camera',
        frozen_vqvae: bool = False,
        dtype: str = 'float32',
        init_cfg: dict | None = None,
    ) -> None:
        super().__init__(init_cfg)
        self.vqvae = MODELS.build(vqvae)
        self.loss_occ = MODELS.build(loss_occ)
        self.query_shape = tuple(query_shape)
        self.dtype = getattr(torch, dtype)
        self.quantise = quantise
        self.post_quant_conv = post_quant_conv
        if supervise not in SUPERVISIONS:
            raise ValueError(
                f'occ_head.supervise is {supervise!r}, expected one of '
                f'{SUPERVISIONS}'
            )
        if quantise and self.vqvae.vqvae.embedding is None:
            raise ValueError(
                'occ_head.quantise is True, but the VQ-VAE has no codebook; '
                'set occ_head.vqvae.num_codes, or quantise=False'
            )
        self.supervise = supervise
        self.mask = mask
        self._require_gradients(frozen_vqvae)

        channels, *latent_size = self.vqvae.latent_shape
        self.cells = latent_size[0] // self.query_shape[0]
        if [n * self.cells for n in self.query_shape] != latent_size:
            raise ValueError(
                f'occ_head.query_shape is {self.query_shape}, which does not '
                f'tile the latent map of {latent_size} cells with squares'
            )
        rows, columns = self.query_shape
        self.content = nn.Parameter(torch.empty(rows, columns, embed_dims))
        self.row_embed = nn.Parameter(torch.empty(rows, 1, embed_dims))
        self.column_embed = nn.Parameter(torch.empty(1, columns, embed_dims))
        for table in (self.content, self.row_embed, self.column_embed):
            nn.init.normal_(table, std=INIT_STD)
        self.project = nn.Linear(embed_dims, channels * self.cells**2)

    def _require_gradients(self, frozen_vqvae: bool) -> None:
        """Ask gradients of the VQ-VAE's parts that a loss reaches, at most.

        Parameters that want a gradient and get none stop distributed
        training.
        """
        self.vqvae.requires_grad_(False)
        if frozen_vqvae or self.supervise == 'latent':
            return
        self.vqvae.decoder.requires_grad_()
        self.vqvae.class_embeds.requires_grad_()
        self.vqvae.vqvae.post_quant_conv.requires_grad_(self.post_quant_conv)

    def queries(self, batch_size: int) -> Tensor:
        """Return the learned queries, (B, Xq * Yq, D), x outside, y inside."""
        table = self.content + self.row_embed + self.column_embed
        return table.flatten(0, 1).expand(batch_size, -1, -1)

    def query_points(self) -> Tensor:
        """Return the places of the queries, (Xq * Yq, 3) in metres, ego."""
        grid = OccGrid()
        step = (grid.maximum - grid.minimum)[:2] / self.query_shape
        x, y = (
            grid.minimum[i]
            + (torch.arange(self.query_shape[i]) + 0.5) * step[i]
            for i in range(2)
        )
        x, y = torch.meshgrid(x, y, indexing='ij')
        points = torch.stack([x, y, torch.zeros_like(x)], dim=-1)
        return points.flatten(0, 1).to(self.content)

    def latent(self, hidden: Tensor) -> Tensor:
        """Map query states (B, Q, D) to the latent map (B, C, X', Y')."""
        z = self.project(hidden)
        z = z.transpose(1, 2).unflatten(2, self.query_shape)
        return F.pixel_shuffle(z, self.cells)

    def decode(self, latent: Tensor) -> Tensor:
        """Decode a latent map to voxel features (B, X, Y, Z, E)."""
        if self.quantise:
            latent = self.vqvae.quantise(latent)[0]
        with torch.autocast(
            latent.device.type, self.dtype, self.dtype != torch.float32
        ):
            # Under autocast of the whole model the latent comes in half.
            latent = latent.to(self.project.weight)
            return self.vqvae.decode(latent, self.post_quant_conv).float()

    def loss(
        self, hidden: Tensor, data_samples: list[OccDataSample]
    ) -> dict[str, Tensor]:
        """Compute L_NAR of Eq. 3, weighted by lambda.

        Args:
            hidden (Tensor): Query states, (B, Q, D).
            data_samples (list[OccDataSample]): With ``gt_occ``.

        Returns:
            dict[str, Tensor]: ``loss_occ``.
        """
        semantics = _stack(data_samples, 'semantics')
        latent = self.latent(hidden)
        if self.supervise == 'latent':
            with torch.no_grad():
                target = self.vqvae.encode(semantics)
            loss = F.mse_loss(latent, target) * self.loss_occ.loss_weight
            return dict(loss_occ=loss)
        mask = None if self.mask is None else _stack(data_samples, self.mask)
        features = self.decode(latent)
        sample = self.loss_occ.select(semantics, mask)
        logits = self.vqvae.logits_at(features, sample.index)
        return dict(loss_occ=self.loss_occ(logits, sample))

    @torch.no_grad()
    def predict(
        self, hidden: Tensor, data_samples: list[OccDataSample]
    ) -> list[BaseDataElement]:
        """Predict the occupancy of each frame.

        Args:
            hidden (Tensor): Query states, (B, Q, D).
            data_samples (list[OccDataSample]): Not read.

        Returns:
            list[BaseDataElement]: B times ``semantics``, (X, Y, Z) uint8.
        """
        features = self.decode(self.latent(hidden))
        return [
            BaseDataElement(semantics=grid)
            for grid in self.vqvae.classify(features)
        ]


def _stack(data_samples: list[OccDataSample], name: str) -> Tensor:
    """One field of ``gt_occ`` of all samples, (B, X, Y, Z).

    Raises:
        KeyError: If a sample lacks it.
    """
    for sample in data_samples:
        if 'gt_occ' not in sample or name not in sample.gt_occ:
            raise KeyError(
                f'sample {sample.get("token")} has no gt_occ.{name}, which '
                'occupancy supervision needs; put LoadOcc3DFromFile into '
                'train_pipeline, or train without model.occ_head'
            )
    return torch.stack([s.gt_occ.get(name) for s in data_samples])
