from mmocc.engine.atomic_backend import AtomicBackend
from mmocc.engine.hooks import ReduceLossHook, SafeCheckpointHook
from mmocc.engine.worker_seed import seed_worker

__all__ = [
    'AtomicBackend',
    'ReduceLossHook',
    'SafeCheckpointHook',
    'seed_worker',
]
