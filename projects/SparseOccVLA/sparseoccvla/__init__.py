from mmocc.projects import share_modules
from mmocc.projects.SparseOccVLA.sparseoccvla.sparse_occ_vla import (
    SparseOccVLA,
)

__all__ = ['SparseOccVLA']

share_modules(__name__)
