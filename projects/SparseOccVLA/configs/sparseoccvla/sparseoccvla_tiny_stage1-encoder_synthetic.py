# Stage 1, tiny: occupancy from images, without a language model.
_base_ = [
    '../_base_/sparseoccvla_tiny.py',
    '../../../../configs/_base_/datasets/synthetic-sparse_tiny.py',
    '../../../../configs/_base_/schedules/adamw_tiny.py',
    '../../../../configs/_base_/default_runtime.py',
]
model = dict(bridge=None, tokenizer=None, forecaster=None, planner=None)

train_cfg = dict(max_epochs=6)
