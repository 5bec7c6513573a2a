"""Patch features of a frozen CLIP, the teacher of a distillation.

Radford et al., "Learning Transferable Visual Models From Natural Language
Supervision", ICML 2021. The model is composed as Hugging Face ships it.
"""

import torch
import torch.nn.functional as F
from mmengine.config import ConfigDict
from mmengine.model import BaseModule
from torch import Tensor
from transformers import CLIPVisionConfig, CLIPVisionModel
from transformers.image_utils import OPENAI_CLIP_MEAN, OPENAI_CLIP_STD

from mmocc.registry import MODELS
from mmocc.utils.pretrained import arithmetic_type, load_pretrained

KERNEL = 'sdpa'
MAX_COLOUR = 255


@MODELS.register_module()
class CLIPVisionTeacher(BaseModule):
    """Map images to CLIP's patch features. Never trained.

    Images are resized to whole patches, as close to their own size as that
    allows, and position embeddings are interpolated to their shape. So a
    place in the image is the same fraction of the map's width and height.

    Args:
        pretrained (str, optional): Checkpoint id or local folder, of the
            tower or of a whole CLIP. None builds random weights from
            ``config``.
        config (dict, optional): ``CLIPVisionConfig`` as a dict; used, and
            needed, only where ``pretrained`` is None.
        dtype (str): Type of weights and arithmetic, also under autocast.
            Defaults to 'float32'.
        layer (int): Index of the hidden states that are read, as transformers
            counts them: 0 is the input of the first layer, -1 the output of
            the last one. Defaults to -2, as LLaVA (Liu et al., NeurIPS 2023):
            CLIP's class token attends to these patches, while no loss reaches
            those of the last layer.

    Raises:
        ValueError: If there is nothing to build from, the checkpoint lacks
            weights of the tower, or the tower has no such layer.
    """

    def __init__(
        self,
        pretrained: str | None = None,
        config: dict | None = None,
        dtype: str = 'float32',
        layer: int = -2,
    ) -> None:
        super().__init__()
        arithmetic = arithmetic_type(dtype, 'teacher.dtype')
        if pretrained is not None:
            self.hf = load_pretrained(
                CLIPVisionModel,
                pretrained,
                'teacher.pretrained',
                dtype=arithmetic,
                attn_implementation=KERNEL,
            )
        elif config is not None:
            self.hf = CLIPVisionModel._from_config(
                CLIPVisionConfig(**ConfigDict(config).to_dict()),
                dtype=arithmetic,
                attn_implementation=KERNEL,
            )
        else:
            raise ValueError(
                'CLIPVisionTeacher got neither teacher.pretrained nor '
                'teacher.config; name a checkpoint, or give a config dict '
                'for random weights'
            )
        depth = self.hf.config.num_hidden_layers
        if not -depth - 1 <= layer <= depth:
            raise ValueError(
                f'teacher.layer is {layer}, expected {-depth - 1} to {depth} '
                f'for a tower of {depth} layers'
            )
        self.layer = layer
        for name, values in (
            ('mean', OPENAI_CLIP_MEAN),
            ('std', OPENAI_CLIP_STD),
        ):
            values = torch.tensor(values)[:, None, None]
            self.register_buffer(name, values, persistent=False)
        self.requires_grad_(False)
        self.eval()

    def init_weights(self) -> None:
        """Do nothing: transformers has set or loaded every weight."""

    def train(self, mode: bool = True) -> 'CLIPVisionTeacher':
        """Stay in evaluation mode, whatever ``mode`` says."""
        return super().train(False)

    @property
    def embed_dims(self) -> int:
        """Width D of the features."""
        return self.hf.config.hidden_size

    @torch.no_grad()
    def forward(self, imgs: Tensor) -> Tensor:
        """Extract patch features of images.

        Args:
            imgs (Tensor): (B, V, 3, H, W) RGB from 0 to 255.

        Returns:
            Tensor: (B, V, D, h, w) float32, h x w patches without the class
            token.
        """
        patch = self.hf.config.patch_size
        grid = [max(round(side / patch), 1) for side in imgs.shape[-2:]]
        with torch.autocast(imgs.device.type, enabled=False):
            pixels = F.interpolate(
                imgs.flatten(0, 1).float() / MAX_COLOUR,
                size=[cells * patch for cells in grid],
                mode='bilinear',
                antialias=True,
            )  # (B V, 3, h * patch, w * patch)
            out = self.hf(
                (pixels - self.mean) / self.std,
                output_hidden_states=True,
                interpolate_pos_encoding=True,
            )
        # (B V, 1 + h w, D) without the class token
        patches = out.hidden_states[self.layer][:, 1:].float()
        maps = patches.transpose(1, 2).unflatten(2, grid)  # (B V, D, h, w)
        return maps.unflatten(0, imgs.shape[:2])
