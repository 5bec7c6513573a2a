# Stage 2 (Sec. 3.4): occupancy and language together, Eq. 3.
_base_ = [
    '../_base_/occvla.py',
    '../../../../configs/_base_/datasets/nus-occ3d-vla.py',
    '../../../../configs/_base_/schedules/adamw-cosine.py',
    '../../../../configs/_base_/default_runtime.py',
]
model = dict(
    occ_head=dict(
        vqvae=dict(
            # OccWorld's weights through tools/model_converters/occworld.py,
            # or configs/occworld_vqvae trained by yourself.
            init_cfg=dict(
                type='Pretrained', checkpoint='checkpoints/occworld_vqvae.pth'
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

train_cfg = dict(max_epochs=3)
load_from = 'work_dirs/occvla_paligemma2-3b-224_stage1-language_8xb2-1e_nus-qa/epoch_1.pth'
# New in this stage.
default_hooks = dict(complete_weights=dict(may_lack=['occ_head.']))
