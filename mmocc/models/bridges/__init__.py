from mmocc.models.bridges.greedy_decoding import greedy_decode
from mmocc.models.bridges.sparse_query_bridge import SparseQueryBridge
from mmocc.models.bridges.vlo_bridge import VLOBridge

__all__ = ['SparseQueryBridge', 'VLOBridge', 'greedy_decode']
