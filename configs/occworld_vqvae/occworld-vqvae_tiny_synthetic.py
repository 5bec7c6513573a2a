# The tiny scene autoencoder on the synthetic mini set: minutes on two cores.
# The recipe is ours; OccWorld's own needs days of GPU.
_base_ = [
    '../_base_/components/occworld-vqvae_tiny.py',
    '../_base_/datasets/nus-occ3d-labels.py',
    '../_base_/default_runtime.py',
]
max_epochs = 7

model = dict(
    type='OccAutoEncoder',
    vqvae=_base_.vqvae,
    # Observed voxels only: elsewhere the labels repeat the holes of the LiDAR.
    mask='mask_camera',
    random_symmetry=True,
    crop_size=100,
    loss_ce=dict(
        type='OccCrossEntropyLoss',
        # (largest / own count in mask_camera of the mini set) ** 0.4; manmade
        # 1.3 and vegetation 2 times that.
        class_weights=(
            *(7.6, 9.4, 8.6, 5.5, 2.9, 6.5, 8.1, 6.6, 11.8, 6.2, 3.8),
            *(1.0, 1.6, 1.3, 1.2),  # the flat classes
            *(1.7, 3.0, 0.3),  # manmade, vegetation, free
        ),
        free_ratio=0.1,
    ),
)

optim_wrapper = dict(
    type='OptimWrapper',
    optimizer=dict(
        type='AdamW', lr=4e-3, betas=(0.9, 0.99), weight_decay=0.01
    ),
    paramwise_cfg=dict(norm_decay_mult=0.0, bias_decay_mult=0.0),
    clip_grad=dict(max_norm=5.0),
)
param_scheduler = [
    dict(type='LinearLR', start_factor=0.05, by_epoch=False, begin=0, end=20),
    dict(
        type='CosineAnnealingLR',
        T_max=max_epochs,
        eta_min_ratio=0.01,
        by_epoch=True,
        begin=0,
        end=max_epochs,
        convert_to_iter_based=True,
    ),
]
train_cfg = dict(
    type='EpochBasedTrainLoop',
    max_epochs=max_epochs,
    val_interval=max_epochs,
)
val_cfg = dict(type='ValLoop')
test_cfg = dict(type='TestLoop')

data_root = 'data/synthetic/'
train_dataloader = dict(
    batch_size=1,
    num_workers=1,
    pin_memory=False,
    dataset=dict(data_root=data_root),
)
val_dataloader = dict(
    batch_size=4,
    num_workers=1,
    pin_memory=False,
    dataset=dict(data_root=data_root),
)
test_dataloader = val_dataloader
default_hooks = dict(checkpoint=dict(max_keep_ckpts=1))
