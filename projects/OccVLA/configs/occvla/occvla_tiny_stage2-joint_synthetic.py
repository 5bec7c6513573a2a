# Stage 2, tiny: occupancy and language together.
_base_ = [
    '../_base_/occvla_tiny.py',
    '../../../../configs/_base_/datasets/synthetic-vla_tiny.py',
    '../../../../configs/_base_/schedules/adamw_tiny.py',
    '../../../../configs/_base_/default_runtime.py',
]
model = dict(
    occ_head=dict(
        vqvae=dict(
            init_cfg=dict(
                type='Pretrained',
                checkpoint='work_dirs/occworld-vqvae_tiny_synthetic/epoch_7.pth',
                prefix='vqvae.',
            ),
        ),
    ),
    planner=None,
)
val_evaluator = [
    dict(type='OccMetric'),
    dict(type='MetaActionMetric'),
    dict(type='QAMetric'),
]
test_evaluator = val_evaluator

train_cfg = dict(max_epochs=6)
load_from = 'work_dirs/occvla_tiny_stage1-language_synthetic/epoch_3.pth'
# New in this stage.
default_hooks = dict(complete_weights=dict(may_lack=['occ_head.']))
