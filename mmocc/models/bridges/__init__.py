from mmocc.models.bridges.action_tree import ActionTree
from mmocc.models.bridges.greedy_decoding import greedy_decode
from mmocc.models.bridges.meta_action_scorer import (
    MetaActionScorer,
    MetaActionScores,
)

__all__ = [
    'ActionTree',
    'MetaActionScorer',
    'MetaActionScores',
    'greedy_decode',
]
