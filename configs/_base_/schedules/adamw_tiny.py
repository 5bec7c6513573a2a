# Minutes on two CPU cores: a high rate, a short warm-up, cosine decay.
optim_wrapper = dict(
    type='OptimWrapper',
    optimizer=dict(
        type='AdamW', lr=1.5e-3, betas=(0.9, 0.98), weight_decay=0.02
    ),
    paramwise_cfg=dict(
        # The output embedding is the input embedding.
        bypass_duplicate=True,
        # Not the paper's zero (Sec. 3.4): minutes of pre-training leave the
        # decoder too weak to stay as it is.
        custom_keys={'occ_head.vqvae': dict(lr_mult=1.0)},
    ),
    clip_grad=dict(max_norm=5.0),
)
param_scheduler = [
    dict(type='LinearLR', start_factor=0.01, by_epoch=False, begin=0, end=30),
    dict(
        type='CosineAnnealingLR',
        eta_min_ratio=0.02,
        by_epoch=True,
        begin=0,
        convert_to_iter_based=True,
    ),
]
# Evaluation is a command of its own, at the end: mmengine would validate after
# the last epoch whatever val_interval says, but not before val_begin.
train_cfg = dict(type='EpochBasedTrainLoop', max_epochs=4, val_begin=1000)
val_cfg = dict(type='ValLoop')
test_cfg = dict(type='TestLoop')
