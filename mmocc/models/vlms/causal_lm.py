"""A text-only language model of Hugging Face, run on embeddings.

The caller packs the sequence and says with a mask which token sees which;
transformers hands such a mask to the attention of every architecture as it
is.

Unusual here:

* Layers with a sliding window follow the mask alone, which is the same as
  long as the sequence fits the window. Longer sequences are refused.
* The soft cap of attention scores (Gemma 2) needs the eager kernel, since
  transformers' fused one drops it silently.
* Code that comes with a checkpoint is never run.
"""

import copy
from collections.abc import Sequence

import torch
from mmengine.config import ConfigDict
from torch import Tensor, nn
from transformers import (
    AutoConfig,
    AutoModelForCausalLM,
    DynamicCache,
    PreTrainedConfig,
)
from transformers.pytorch_utils import Conv1D

from mmocc.models.vlms.hugging_face_lm import HuggingFaceLM
from mmocc.registry import MODELS
from mmocc.utils.pretrained import (
    arithmetic_type,
    load_pretrained,
    resolve_pretrained,
)

# GPT-2 writes its linear layers as Conv1D; peft knows both.
LINEAR = (nn.Linear, Conv1D)


class KeyValueCache(DynamicCache):
    """Keys and values of the tokens read so far, in every layer.

    Layers with a sliding window keep all tokens too.
    """

    def first(self, length: int) -> 'KeyValueCache':
        """Return a cache of the first ``length`` tokens, without a copy.

        Either cache may be continued without changing the other.
        """
        twin = KeyValueCache()
        for layer in self.layers:
            part = copy.copy(layer)
            # (B, kv_heads, S, head_dim) to (B, kv_heads, length, head_dim)
            part.keys = layer.keys[:, :, :length]
            part.values = layer.values[:, :, :length]
            twin.layers.append(part)
        return twin


@MODELS.register_module()
class CausalLM(HuggingFaceLM):
    """Any causal language model of Hugging Face, with LoRA where asked for.

    B frames, L new tokens of width D, S tokens with those in the cache.

    SparseOccVLA does not name its model. OmniDrive (Wang et al., CVPR 2025),
    whose setting it shares, adapts a LLaMA-7B with LoRA, r = 128, alpha = 16.

    Args:
        pretrained (str, optional): Checkpoint id or local folder. None builds
            random weights from ``config``.
        config (dict, optional): ``model_type`` (such as 'llama', 'qwen2' or
            'gemma2') and the fields of that type's configuration; used, and
            needed, only where ``pretrained`` is None.
        dtype (str): Type of the arithmetic and of frozen weights, such as
            'bfloat16'. Weights that train and the residual stream stay in
            float32. Defaults to 'float32'.
        lora (dict, optional): Arguments of ``peft.LoraConfig``, applied to
            the decoder alone, whose own weights are then frozen.
            ``target_modules`` lists linear layers by the last part of their
            names. Defaults to None.
        frozen (bool): Whether nothing but LoRA is trained. Defaults to
            False.
        gradient_checkpointing (bool): Whether to recompute layers in the
            backward pass. Defaults to False.

    Raises:
        CheckpointError: If the checkpoint lacks weights.
        ValueError: If there is nothing to build from, the configuration names
            no known type, or the decoder lacks a layer that ``lora`` names.
    """

    def __init__(
        self,
        pretrained: str | None = None,
        config: dict | None = None,
        dtype: str = 'float32',
        lora: dict | None = None,
        frozen: bool = False,
        gradient_checkpointing: bool = False,
    ) -> None:
        arithmetic = arithmetic_type(dtype, 'vlm.dtype')
        if pretrained is not None:
            hf_config = AutoConfig.from_pretrained(
                resolve_pretrained(pretrained), trust_remote_code=False
            )
            kernel = _choose_kernel(hf_config)
            hf = load_pretrained(
                AutoModelForCausalLM,
                pretrained,
                'vlm.pretrained',
                dtype=arithmetic,
                attn_implementation=kernel,
            )
        else:
            hf_config = _read_config(config)
            kernel = _choose_kernel(hf_config)
            hf = AutoModelForCausalLM.from_config(
                hf_config,
                dtype=arithmetic,
                attn_implementation=kernel,
                trust_remote_code=False,
            )
        super().__init__(hf, arithmetic)
        self.kernel = kernel
        if frozen or lora is not None:
            self.hf.requires_grad_(False)
        if lora is not None:
            self.add_lora(ConfigDict(lora).to_dict())
        self.prepare_training(gradient_checkpointing)

    @property
    def decoder(self) -> nn.Module:
        """Language model without its vocabulary head."""
        return self.hf.base_model

    def new_cache(self) -> KeyValueCache:
        """Return an empty cache for :meth:`forward`."""
        return KeyValueCache()

    def forward(
        self,
        embeds: Tensor,
        positions: Tensor,
        visible: Tensor,
        cache: KeyValueCache | None = None,
    ) -> Tensor:
        """Turn a packed sequence of embeddings into hidden states.

        Args:
            embeds (Tensor): (B, L, D) embeddings of the new tokens.
            positions (Tensor): (B, L) int64 rotary positions.
            visible (Tensor): (B, L, S) bool, True where a new token sees
                another one. The S columns are the tokens in ``cache``, then
                the new ones. Each row holds a True at least.
            cache (KeyValueCache, optional): Keys and values of earlier
                tokens; is extended by the new ones. Defaults to None.

        Returns:
            Tensor: (B, L, D), normalised last hidden states.

        Raises:
            RuntimeError: If a cache meets gradient checkpointing, for which
                transformers would drop the cache.
            ValueError: If a token stands further back than the model reaches.
        """
        if cache is not None and self.training and self.gradient_checkpointing:
            raise RuntimeError(
                'transformers keeps no cache while it recomputes layers; call '
                'eval() first, or set vlm.gradient_checkpointing=False'
            )
        self._check_reach(int(positions.max()))
        # Autocast of the whole model hands tokens over in half precision.
        embeds = embeds.to(torch.promote_types(embeds.dtype, torch.float32))
        mask = visible[:, None]  # (B, 1 for all heads, L, S)
        if self.kernel == 'eager':  # adds the mask to the scores
            lowest = torch.finfo(self.dtype).min
            mask = (~mask).to(embeds.dtype) * lowest
        with self.arithmetic(embeds.device):
            out = self.decoder(
                inputs_embeds=embeds,
                position_ids=positions,
                attention_mask=mask,
                past_key_values=cache,
                use_cache=cache is not None,
            )
        return out.last_hidden_state.float()

    def add_lora(self, lora: dict) -> None:
        """Put LoRA on the named linear layers of the decoder.

        Args:
            lora (dict): Arguments of ``peft.LoraConfig``.

        Raises:
            ValueError: If a name is missing in the decoder, or
                ``target_modules`` is a pattern.
        """
        wanted = lora.get('target_modules')
        if not isinstance(wanted, Sequence) or isinstance(wanted, str):
            raise ValueError(
                f'vlm.lora.target_modules is {wanted!r}, expected a list of '
                "names such as ['q_proj', 'v_proj']; patterns could reach "
                'further than meant'
            )
        found = {
            name.rpartition('.')[2]
            for name, module in self.decoder.named_modules()
            if isinstance(module, LINEAR)
        }
        missing = sorted(set(wanted) - found)
        if missing or not wanted:
            raise ValueError(
                f'vlm.lora.target_modules names {missing or "nothing"}, which '
                f'{type(self.decoder).__name__} does not have; its linear '
                f'layers are {sorted(found)}'
            )
        super().add_lora(lora)

    def _check_reach(self, last: int) -> None:
        """Refuse a position that the architecture cannot represent."""
        config = self.hf.config
        for key in ('sliding_window', 'max_position_embeddings'):
            reach = getattr(config, key, None)
            if reach is not None and last >= reach:
                raise ValueError(
                    f'the last token stands at position {last}, but the '
                    f'language model has {key} = {reach}; use fewer queries '
                    'or shorter texts'
                )


def _read_config(config: dict | None) -> PreTrainedConfig:
    """Turn ``vlm.config`` into a configuration of transformers."""
    if config is None:
        raise ValueError(
            'CausalLM got neither vlm.pretrained nor vlm.config; name a '
            'checkpoint, or give a config dict for random weights'
        )
    fields = ConfigDict(config).to_dict()
    if 'model_type' not in fields:
        raise ValueError(
            f'vlm.config has the keys {sorted(fields)} but no model_type; '
            "name the architecture, such as model_type='llama'"
        )
    return AutoConfig.for_model(**fields)


def _choose_kernel(config: PreTrainedConfig) -> str:
    """Return the fastest attention kernel that keeps a soft cap."""
    capped = getattr(config, 'attn_logit_softcapping', None) is not None
    return 'eager' if capped else 'sdpa'
