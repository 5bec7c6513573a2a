from mmocc.engine.atomic_backend import AtomicBackend
from mmocc.engine.fsdp2_strategy import FSDP2Strategy
from mmocc.engine.hooks import (
    CompleteWeightsHook,
    FiniteLossHook,
    ReduceLossHook,
    SafeCheckpointHook,
)
from mmocc.engine.strategy_runner import StrategyRunner
from mmocc.engine.worker_seed import seed_worker
from mmocc.utils import pretrained_init  # noqa: F401, safe loaders

__all__ = [
    'AtomicBackend',
    'CompleteWeightsHook',
    'FSDP2Strategy',
    'FiniteLossHook',
    'ReduceLossHook',
    'SafeCheckpointHook',
    'StrategyRunner',
    'seed_worker',
]
