from mmocc.models.vlms.adapters import BottleneckAdapter, DecoderAdapters
from mmocc.models.vlms.causal_lm import CausalLM, KeyValueCache
from mmocc.models.vlms.paligemma import PaliGemma
from mmocc.models.vlms.tokenizer import Tokenizer, build_tokenizer

__all__ = [
    'BottleneckAdapter',
    'CausalLM',
    'DecoderAdapters',
    'KeyValueCache',
    'PaliGemma',
    'Tokenizer',
    'build_tokenizer',
]
