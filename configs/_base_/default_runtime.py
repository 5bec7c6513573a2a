"""What every run shares."""

default_scope = 'mmocc'

default_hooks = dict(
    timer=dict(type='IterTimerHook'),
    logger=dict(type='LoggerHook', interval=50),
    param_scheduler=dict(type='ParamSchedulerHook'),
    checkpoint=dict(type='SafeCheckpointHook', interval=1, max_keep_ckpts=2),
    sampler_seed=dict(type='DistSamplerSeedHook'),
    # A loss that stays NaN ends the run; None switches this off.
    finite_loss=dict(type='FiniteLossHook', patience=3),
    # `load_from` fills the model; stages say what they add.
    complete_weights=dict(type='CompleteWeightsHook', may_lack=[]),
)

env_cfg = dict(
    cudnn_benchmark=False,
    mp_cfg=dict(mp_start_method='fork', opencv_num_threads=0),
    dist_cfg=dict(backend='nccl'),
)
# A CPU run repeats bit for bit. On GPUs `deterministic=True` refuses ops that
# have no deterministic kernel.
randomness = dict(seed=0, deterministic=False)

log_processor = dict(type='LogProcessor', window_size=50, by_epoch=True)
log_level = 'INFO'
load_from = None
resume = False
