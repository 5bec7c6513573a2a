"""Trains in a second; the tests set what they need by --cfg-options.

In mmengine's own scope: a look-up in that of mmocc would import all models of
mmdet3d first.
"""

custom_imports = dict(imports=['toy_project'], allow_failed_imports=False)
default_scope = 'mmengine'

model = dict(type='ToyRegressor')

_loader = dict(
    batch_size=4,
    num_workers=0,
    sampler=dict(type='DefaultSampler', shuffle=True),
    dataset=dict(type='ToyPoints'),
)
train_dataloader = _loader
val_dataloader = _loader
test_dataloader = _loader
val_evaluator = dict(type='ToyError')
test_evaluator = val_evaluator

train_cfg = dict(type='EpochBasedTrainLoop', max_epochs=3, val_interval=1)
val_cfg = dict(type='ValLoop')
test_cfg = dict(type='TestLoop')

optim_wrapper = dict(optimizer=dict(type='Adam', lr=0.05))
param_scheduler = [dict(type='LinearLR', by_epoch=False, end=10)]

randomness = dict(seed=3)
custom_hooks = [
    dict(type='PowerCut', iteration=-1),
    dict(type='ReduceLossHook'),
]
default_hooks = dict(
    logger=dict(type='LoggerHook', interval=1),
    checkpoint=dict(
        type='SafeCheckpointHook', interval=1, save_best='error', rule='less'
    ),
)
log_processor = dict(
    window_size=1,
    custom_cfg=[
        dict(
            data_src='loss',
            log_name='loss_so_far',
            method_name='mean',
            window_size='global',
        )
    ],
)
