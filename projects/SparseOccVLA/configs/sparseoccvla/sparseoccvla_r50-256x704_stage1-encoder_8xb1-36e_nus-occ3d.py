# Stage 1: occupancy from images, without a language model. The epochs are our
# reading of the paper, the schedule is OPUS's.
_base_ = [
    '../_base_/sparseoccvla.py',
    '../../../../configs/_base_/datasets/nus-occ3d-sparse.py',
    '../../../../configs/_base_/default_runtime.py',
]
model = dict(bridge=None, tokenizer=None, forecaster=None, planner=None)

optim_wrapper = dict(
    type='OptimWrapper',
    optimizer=dict(type='AdamW', lr=2e-4, weight_decay=0.01),
    paramwise_cfg=dict(
        custom_keys={
            'backbone': dict(lr_mult=0.1),
            'sampling_offset': dict(lr_mult=0.1),
        },
    ),
    clip_grad=dict(max_norm=35.0),
)
param_scheduler = [
    dict(
        type='LinearLR', start_factor=1 / 3, by_epoch=False, begin=0, end=500
    ),
    dict(
        type='CosineAnnealingLR',
        eta_min_ratio=1e-3,
        by_epoch=True,
        begin=0,
        convert_to_iter_based=True,
    ),
]
train_cfg = dict(type='EpochBasedTrainLoop', max_epochs=36, val_interval=6)
val_cfg = dict(type='ValLoop')
test_cfg = dict(type='TestLoop')
auto_scale_lr = dict(enable=False, base_batch_size=8)
