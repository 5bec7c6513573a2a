from mmocc.engine.atomic_backend import AtomicBackend
from mmocc.engine.fsdp2_strategy import FSDP2Strategy
from mmocc.engine.hooks import ReduceLossHook, SafeCheckpointHook
from mmocc.engine.strategy_runner import StrategyRunner
from mmocc.engine.worker_seed import seed_worker

__all__ = [
    'AtomicBackend',
    'FSDP2Strategy',
    'ReduceLossHook',
    'SafeCheckpointHook',
    'StrategyRunner',
    'seed_worker',
]
