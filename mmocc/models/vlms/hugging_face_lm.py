"""Base class of the language models from Hugging Face.

They are composed, never patched, and run on embeddings: a bridge packs
visual tokens and text, :class:`HuggingFaceLM` embeds the text and turns
hidden states into scores of the vocabulary.
"""

from abc import abstractmethod

import torch
from mmengine.model import BaseModule
from peft import LoraConfig, inject_adapter_in_model
from torch import Tensor, nn
from transformers import PreTrainedConfig, PreTrainedModel

from mmocc.utils.tokenizers import Tokenizer, largest_id

# The reentrant kind fails with adapters under DistributedDataParallel ("mark
# a variable ready only once").
CHECKPOINTING = {'use_reentrant': False}


class HuggingFaceLM(BaseModule):
    """Base of language models that transformers defines.

    D is the width of the model, V the size of its vocabulary. Matrices are
    multiplied in ``dtype``, in which frozen weights are stored too. Weights
    that train and the residual stream stay in float32.

    Subclasses build the model, call ``super().__init__``, freeze and adapt
    what they like, and call :meth:`prepare_training` last.

    Args:
        hf (PreTrainedModel): Model with its vocabulary head.
        dtype (torch.dtype): Type of the arithmetic and of frozen weights.
    """

    # Rotary position of the first token of a sequence.
    first_position = 0

    def __init__(self, hf: PreTrainedModel, dtype: torch.dtype) -> None:
        super().__init__()
        self.hf = hf
        self.dtype = dtype
        self.gradient_checkpointing = False

    def init_weights(self) -> None:
        """Do nothing: transformers has drawn or loaded every weight.

        mmengine would otherwise call the Hugging Face model's own
        ``init_weights`` and draw anew.
        """

    @property
    @abstractmethod
    def decoder(self) -> nn.Module:
        """Language model without its vocabulary head."""

    @property
    def text_config(self) -> PreTrainedConfig:
        """Configuration of the language model."""
        return self.hf.config.get_text_config(decoder=True)

    @property
    def embed_dims(self) -> int:
        """Width of the language model, D."""
        return self.text_config.hidden_size

    def check_tokenizer(self, tokenizer: Tokenizer) -> None:
        """Raise ValueError if texts could have ids without an embedding.

        Args:
            tokenizer (Tokenizer): The tokenizer that the config names.
        """
        known = self.decoder.get_input_embeddings().num_embeddings
        largest = largest_id(tokenizer)
        if largest >= known:
            raise ValueError(
                f'the tokenizer {tokenizer.name_or_path} has ids up to '
                f'{largest}, but the language model embeds {known}; the '
                'config keys tokenizer (of the model and of TokenizeQA) and '
                'vlm must name the same checkpoint'
            )

    def add_lora(self, lora: dict) -> None:
        """Put LoRA on linear layers of the language model.

        Args:
            lora (dict): Arguments of ``peft.LoraConfig``, as plain dicts and
                lists.
        """
        inject_adapter_in_model(LoraConfig(**lora), self.decoder)

    def prepare_training(self, gradient_checkpointing: bool) -> None:
        """Widen the weights that train to float32, and save memory if asked.

        Args:
            gradient_checkpointing (bool): Keep the inputs of each layer only,
                and run it again in the backward pass (Chen et al., "Training
                Deep Nets with Sublinear Memory Cost", arXiv 1604.06174).
        """
        for parameter in self.parameters():
            if parameter.requires_grad:
                parameter.data = parameter.data.float()
        self.gradient_checkpointing = gradient_checkpointing
        if not gradient_checkpointing:
            return
        # transformers 5.23 renamed the method.
        if hasattr(self.hf, 'activation_checkpointing_enable'):
            self.hf.activation_checkpointing_enable(CHECKPOINTING)
        else:
            self.hf.gradient_checkpointing_enable(CHECKPOINTING)

    def arithmetic(self, device: torch.device) -> torch.autocast:
        """Return the context in which matrices are multiplied in ``dtype``."""
        return torch.autocast(
            device.type, self.dtype, enabled=self.dtype != torch.float32
        )

    def embed_text(self, input_ids: Tensor) -> Tensor:
        """Embed token ids (...,) as (..., D) in float32."""
        return self.decoder.get_input_embeddings()(input_ids).float()

    def logits(
        self, hidden: Tensor, vocabulary: Tensor | None = None
    ) -> Tensor:
        """Map hidden states to scores of the vocabulary.

        Args:
            hidden (Tensor): (..., D), normalised last hidden states.
            vocabulary (Tensor, optional): (n,) token ids; only their logits
                are computed. Defaults to None, all V.

        Returns:
            Tensor: (..., V) or (..., n) float32, scaled and capped as the
            architecture does.
        """
        head = self.hf.get_output_embeddings()
        weight, bias = head.weight, getattr(head, 'bias', None)
        if vocabulary is not None:
            weight = weight[vocabulary]  # (n, D)
            bias = None if bias is None else bias[vocabulary]
        with self.arithmetic(hidden.device):
            logits = nn.functional.linear(hidden, weight, bias)
        config = self.text_config
        # Cohere multiplies logits by a number, Granite divides them.
        scale = getattr(config, 'logit_scale', 1.0)
        scale = scale / getattr(config, 'logits_scaling', 1.0)
        logits = logits.float() * scale
        cap = getattr(config, 'final_logit_softcapping', None)  # Gemma 2
        return logits if cap is None else torch.tanh(logits / cap) * cap
