"""Gradient checkpointing of Hugging Face models, old and new."""

from transformers import PreTrainedModel

# The reentrant kind fails with adapters under DistributedDataParallel ("mark
# a variable ready only once").
OPTIONS = {'use_reentrant': False}


def recompute_layers(model: PreTrainedModel) -> None:
    """Keep the inputs of each layer only; run it again in the backward pass.

    Chen et al., "Training Deep Nets with Sublinear Memory Cost", arXiv
    1604.06174. transformers 5.23 renamed the method that switches it on.
    """
    if hasattr(model, 'activation_checkpointing_enable'):
        model.activation_checkpointing_enable(OPTIONS)
    else:
        model.gradient_checkpointing_enable(OPTIONS)
