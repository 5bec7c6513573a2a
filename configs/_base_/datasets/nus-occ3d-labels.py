"""Occ3D labels alone, for models of occupancy without images.

Needs data_root as tools/create_data.py leaves it: gts/ and
nuscenes_infos_occ_{train,val}.pkl.
"""

dataset_type = 'NuScenesOccDataset'
data_root = 'data/nuscenes/'
batch_size = 10  # frames on each GPU
num_workers = 4

pipeline = [dict(type='LoadOcc3DFromFile'), dict(type='PackOccInputs')]

train_dataloader = dict(
    batch_size=batch_size,
    num_workers=num_workers,
    persistent_workers=True,
    pin_memory=True,
    sampler=dict(type='EpochSampler', shuffle=True),
    dataset=dict(
        type=dataset_type,
        data_root=data_root,
        ann_file='nuscenes_infos_occ_train.pkl',
        filter_cfg=dict(require=['occ']),
        pipeline=pipeline,
    ),
)
val_dataloader = dict(
    batch_size=batch_size,
    num_workers=num_workers,
    persistent_workers=True,
    pin_memory=True,
    sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(
        type=dataset_type,
        data_root=data_root,
        ann_file='nuscenes_infos_occ_val.pkl',
        filter_cfg=dict(require=['occ']),
        pipeline=pipeline,
        test_mode=True,
    ),
)
test_dataloader = val_dataloader

val_evaluator = [dict(type='OccMetric')]
test_evaluator = val_evaluator
