# OccWorld's first stage (arXiv 2311.16038) with the settings of its code.
# There a GPU sees one window of 10 consecutive frames, here 10 frames drawn at
# random: 352 steps an epoch instead of 437.
_base_ = [
    '../_base_/components/occworld-vqvae.py',
    '../_base_/datasets/nus-occ3d-labels.py',
    '../_base_/default_runtime.py',
]
max_epochs = 200

model = dict(
    type='OccAutoEncoder',
    vqvae=_base_.vqvae,
    # All voxels count, free and unobserved ones included.
    loss_ce=dict(type='OccCrossEntropyLoss', loss_weight=10.0),
    loss_lovasz=dict(type='OccLovaszLoss', loss_weight=1.0),
    embed_weight=1.0,
)

optim_wrapper = dict(
    type='OptimWrapper',
    optimizer=dict(type='AdamW', lr=1e-3, weight_decay=0.01),
    clip_grad=dict(max_norm=35),
)
param_scheduler = [
    # From 1e-6 in 200 steps, to 1e-6 at the end.
    dict(type='LinearLR', start_factor=1e-3, by_epoch=False, begin=0, end=200),
    dict(
        type='CosineAnnealingLR',
        T_max=max_epochs,
        eta_min=1e-6,
        by_epoch=True,
        begin=0,
        end=max_epochs,
        convert_to_iter_based=True,
    ),
]
train_cfg = dict(
    type='EpochBasedTrainLoop', max_epochs=max_epochs, val_interval=5
)
val_cfg = dict(type='ValLoop')
test_cfg = dict(type='TestLoop')
auto_scale_lr = dict(enable=False, base_batch_size=80)
randomness = dict(seed=42)

# OccWorld scores all voxels, and a class without a true voxel as 1.
val_evaluator = [
    dict(type='OccMetric', masks=('none', 'camera'), absent='occworld')
]
test_evaluator = val_evaluator
default_hooks = dict(
    checkpoint=dict(
        interval=5, save_best='occ/mIoU_all_voxels', rule='greater'
    )
)
