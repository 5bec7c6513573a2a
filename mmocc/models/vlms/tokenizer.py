"""Tokenizers by name, for models that turn ids back into text."""

from transformers import AutoTokenizer, PreTrainedTokenizerBase

from mmocc.utils.pretrained import resolve_pretrained

# For annotations elsewhere, which do not import transformers.
Tokenizer = PreTrainedTokenizerBase


def build_tokenizer(name_or_path: str) -> Tokenizer:
    """Load the tokenizer that a config names.

    Args:
        name_or_path (str): ``mmocc://NAME``, a local folder or a checkpoint
            id.
    """
    return AutoTokenizer.from_pretrained(resolve_pretrained(name_or_path))
