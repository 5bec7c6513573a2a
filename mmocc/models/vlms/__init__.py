from mmocc.models.vlms.adapters import BottleneckAdapter, DecoderAdapters
from mmocc.models.vlms.causal_lm import CausalLM, KeyValueCache
from mmocc.models.vlms.paligemma import PaliGemma

__all__ = [
    'BottleneckAdapter',
    'CausalLM',
    'DecoderAdapters',
    'KeyValueCache',
    'PaliGemma',
]
