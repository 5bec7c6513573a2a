"""A text-only language model as Hugging Face ships it, run on embeddings.

The model is composed, never patched. Whoever packs the sequence says with a
mask which token sees which; transformers hands such a mask to the attention
of every architecture as it is.

Unusual here:

* Sliding-window layers see what the mask says, which is the same thing as
  long as the sequence fits the window; longer ones are refused.
* Soft-capping of scores (Gemma 2) needs the eager kernel, since the fused one
  drops it without a word; the kernel is chosen by that.
* Code that comes with a checkpoint is never run.
"""

import copy
from collections.abc import Sequence

import torch
from mmengine.config import ConfigDict
from mmengine.model import BaseModule
from peft import LoraConfig, inject_adapter_in_model
from torch import Tensor, nn
from transformers import (
    AutoConfig,
    AutoModelForCausalLM,
    DynamicCache,
    PreTrainedConfig,
)
from transformers.pytorch_utils import Conv1D

from mmocc.models.vlms.recomputing import recompute_layers
from mmocc.registry import MODELS
from mmocc.utils.pretrained import resolve_pretrained

# GPT-2 writes its linear layers as Conv1D; peft knows both.
LINEAR = (nn.Linear, Conv1D)


class KeyValueCache(DynamicCache):
    """Keys and values of the tokens read so far, in every layer.

    Layers with a sliding window keep all tokens too.
    """

    def first(self, length: int) -> 'KeyValueCache':
        """A cache of the first ``length`` tokens; nothing is copied.

        Either cache may be continued without changing the other.
        """
        twin = KeyValueCache()
        for layer in self.layers:
            part = copy.copy(layer)
            part.keys = layer.keys[:, :, :length]
            part.values = layer.values[:, :, :length]
            twin.layers.append(part)
        return twin


@MODELS.register_module()
class CausalLM(BaseModule):
    """Any causal language model of Hugging Face, with LoRA if wanted.

    SparseOccVLA does not name its model. OmniDrive (Wang et al., CVPR 2025),
    whose setting it shares, adapts a LLaMA-7B with LoRA, r = 128, alpha = 16.

    Args:
        pretrained (str, optional): Checkpoint id or local folder. None builds
            random weights from ``config``.
        config (dict, optional): ``model_type`` (such as 'llama', 'qwen2' or
            'gemma2') and the fields of that type's configuration; used, and
            needed, only where ``pretrained`` is None.
        dtype (str): Of the arithmetic and of frozen weights; weights that
            train and the residual stream stay in float32. Defaults to
            'float32'.
        lora (dict, optional): Arguments of ``peft.LoraConfig``, applied to
            the decoder alone, whose own weights are then frozen.
            ``target_modules`` lists linear layers by the last part of their
            names. Defaults to None.
        frozen (bool): Train nothing of the model but LoRA. Defaults to False.
        gradient_checkpointing (bool): Recompute layers in the backward pass
            (non-reentrant). Defaults to False.

    Raises:
        ValueError: If there is nothing to build from, the configuration names
            no known type, or the decoder lacks a layer that ``lora`` names.
    """

    # Position of the first token.
    first_position = 0

    def __init__(
        self,
        pretrained: str | None = None,
        config: dict | None = None,
        dtype: str = 'float32',
        lora: dict | None = None,
        frozen: bool = False,
        gradient_checkpointing: bool = False,
    ) -> None:
        super().__init__()
        self.dtype = getattr(torch, dtype)
        if pretrained is not None:
            source = resolve_pretrained(pretrained)
            hf_config = AutoConfig.from_pretrained(
                source, trust_remote_code=False
            )
            self.kernel = _choose_kernel(hf_config)
            self.hf = AutoModelForCausalLM.from_pretrained(
                source,
                dtype=self.dtype,
                attn_implementation=self.kernel,
                trust_remote_code=False,
            )
        else:
            hf_config = _read_config(config)
            self.kernel = _choose_kernel(hf_config)
            self.hf = AutoModelForCausalLM.from_config(
                hf_config,
                dtype=self.dtype,
                attn_implementation=self.kernel,
                trust_remote_code=False,
            )
        if frozen or lora is not None:
            self.hf.requires_grad_(False)
        if lora is not None:
            self._adapt(ConfigDict(lora).to_dict())
        for parameter in self.parameters():
            if parameter.requires_grad:
                parameter.data = parameter.data.float()
        self.gradient_checkpointing = gradient_checkpointing
        if gradient_checkpointing:
            recompute_layers(self.hf)

    def init_weights(self) -> None:
        """Do nothing: transformers has set or loaded every weight.

        mmengine would otherwise call the Hugging Face model's own
        ``init_weights`` and draw anew.
        """

    @property
    def decoder(self) -> nn.Module:
        """The model without its vocabulary head."""
        return self.hf.base_model

    @property
    def embed_dims(self) -> int:
        """Width of the model, D."""
        return self.hf.config.hidden_size

    def new_cache(self) -> KeyValueCache:
        """An empty cache for :meth:`forward`."""
        return KeyValueCache()

    def embed_text(self, input_ids: Tensor) -> Tensor:
        """Embed token ids (...,) as (..., D)."""
        return self.decoder.get_input_embeddings()(input_ids).float()

    def forward(
        self,
        embeds: Tensor,
        positions: Tensor,
        visible: Tensor,
        cache: KeyValueCache | None = None,
    ) -> Tensor:
        """Run the decoder over a packed sequence.

        Args:
            embeds (Tensor): (B, L, D), the new tokens.
            positions (Tensor): (B, L) int64 positions.
            visible (Tensor): (B, L, S) bool, True where a new token sees a
                token; S counts those in ``cache``, then the new ones. Each
                row sees at least one.
            cache (KeyValueCache, optional): Of earlier tokens; is extended.

        Returns:
            Tensor: Normalised last hidden states, (B, L, D).

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
        mask = visible[:, None]
        if self.kernel == 'eager':  # adds the mask to the scores
            lowest = torch.finfo(self.dtype).min
            mask = (~mask).to(embeds.dtype) * lowest
        with self._arithmetic(embeds.device):
            out = self.decoder(
                inputs_embeds=embeds,
                position_ids=positions,
                attention_mask=mask,
                past_key_values=cache,
                use_cache=cache is not None,
            )
        return out.last_hidden_state.float()

    def logits(
        self, hidden: Tensor, vocabulary: Tensor | None = None
    ) -> Tensor:
        """Vocabulary logits of hidden states, scaled and capped.

        Args:
            hidden (Tensor): (..., D).
            vocabulary (Tensor, optional): (n,) ids; only their logits are
                computed. Defaults to None, all V.

        Returns:
            Tensor: (..., V) or (..., n).
        """
        head = self.hf.get_output_embeddings()
        weight, bias = head.weight, getattr(head, 'bias', None)
        if vocabulary is not None:
            weight = weight[vocabulary]
            bias = None if bias is None else bias[vocabulary]
        with self._arithmetic(hidden.device):
            logits = nn.functional.linear(hidden, weight, bias)
        logits = logits.float() * self._logit_scale
        cap = getattr(self.hf.config, 'final_logit_softcapping', None)
        return logits if cap is None else torch.tanh(logits / cap) * cap

    @property
    def _logit_scale(self) -> float:
        """Cohere multiplies logits by a number, Granite divides them."""
        config = self.hf.config
        return getattr(config, 'logit_scale', 1.0) / getattr(
            config, 'logits_scaling', 1.0
        )

    def _arithmetic(self, device: torch.device) -> torch.autocast:
        """The context in which matrices are multiplied in ``dtype``."""
        return torch.autocast(
            device.type, self.dtype, enabled=self.dtype != torch.float32
        )

    def _adapt(self, lora: dict) -> None:
        """Put LoRA on the named linear layers of the decoder."""
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
        inject_adapter_in_model(LoraConfig(**lora), self.decoder)

    def _check_reach(self, last: int) -> None:
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
    """The configuration of random weights."""
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
    """The fastest attention that computes what the model was trained with."""
    capped = getattr(config, 'attn_logit_softcapping', None) is not None
    return 'eager' if capped else 'sdpa'
