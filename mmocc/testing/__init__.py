from mmocc.testing.samples import (
    make_occ_info,
    wrap_infos,
    write_tiny_dataset,
)

__all__ = ['make_occ_info', 'wrap_infos', 'write_tiny_dataset']
