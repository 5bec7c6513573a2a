from mmocc.projects.SparseOccVLA.sparseoccvla.sparse_occ_vla import (
    SparseOccVLA,
)

__all__ = ['SparseOccVLA']
