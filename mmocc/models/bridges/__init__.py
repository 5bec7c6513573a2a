from mmocc.models.bridges.action_tree import ActionTree
from mmocc.models.bridges.greedy_decoding import greedy_decode
from mmocc.models.bridges.meta_action_scorer import (
    MetaActionScorer,
    MetaActionScores,
)
from mmocc.models.bridges.sparse_query_bridge import SparseQueryBridge
from mmocc.models.bridges.vlo_bridge import VLOBridge

__all__ = [
    'ActionTree',
    'MetaActionScorer',
    'MetaActionScores',
    'SparseQueryBridge',
    'VLOBridge',
    'greedy_decode',
]
