"""The synthetic mini set for tiny SparseOccVLA: wide images, one past frame.

Made by tools/create_synthetic_nuscenes.py and tools/create_data.py.
"""

dataset_type = 'NuScenesOccDataset'
data_root = 'data/synthetic/'
image_size = (128, 224)
num_history = 1

load_images = [
    dict(type='LoadSurroundImages', size=image_size),
    dict(type='LoadHistoryImages', size=image_size),
]
train_pipeline = [
    *load_images,
    dict(type='LoadOcc3DFromFile'),
    dict(type='RandomMirror', prob=0.5),
    dict(type='ComputeLidar2Img'),
    dict(type='PackOccInputs'),
]
test_pipeline = [
    *load_images,
    dict(type='LoadOcc3DFromFile'),
    dict(type='ComputeLidar2Img'),
    dict(type='PackOccInputs'),
]

train_dataloader = dict(
    batch_size=2,
    num_workers=1,
    persistent_workers=True,
    sampler=dict(type='EpochSampler', shuffle=True),
    dataset=dict(
        type=dataset_type,
        data_root=data_root,
        ann_file='nuscenes_infos_occ_train.pkl',
        pipeline=train_pipeline,
        num_history=num_history,
    ),
)
val_dataloader = dict(
    batch_size=4,
    num_workers=1,
    persistent_workers=True,
    sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(
        type=dataset_type,
        data_root=data_root,
        ann_file='nuscenes_infos_occ_val.pkl',
        pipeline=test_pipeline,
        num_history=num_history,
        test_mode=True,
    ),
)
test_dataloader = val_dataloader

val_evaluator = [dict(type='OccMetric')]
test_evaluator = val_evaluator
