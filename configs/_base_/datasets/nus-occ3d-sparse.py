"""nuScenes with Occ3D labels for SparseOccVLA: wide images, past key frames.

Needs data_root as tools/create_data.py leaves it: samples/, gts/ and
nuscenes_infos_occ_{train,val}.pkl. History comes from key frames, 0.5 s
apart; OPUS draws its from camera sweeps.
"""

# ----- frequently modified -----
dataset_type = 'NuScenesOccDataset'
data_root = 'data/nuscenes/'
image_size = (256, 704)  # height and width, the aspect ratio changes
num_history = 7
batch_size = 1  # frames on each GPU
num_workers = 4

load_images = [
    dict(type='LoadSurroundImages', size=image_size),
    dict(type='LoadHistoryImages', size=image_size),
]
train_pipeline = [
    *load_images,
    dict(type='LoadOcc3DFromFile'),
    dict(type='ComputeLidar2Img'),
    dict(type='PackOccInputs'),
]
test_pipeline = train_pipeline

train_dataloader = dict(
    batch_size=batch_size,
    num_workers=num_workers,
    persistent_workers=True,
    sampler=dict(type='EpochSampler', shuffle=True),
    dataset=dict(
        type=dataset_type,
        data_root=data_root,
        ann_file='nuscenes_infos_occ_train.pkl',
        pipeline=train_pipeline,
        num_history=num_history,
        filter_cfg=dict(require=['occ']),
    ),
)
val_dataloader = dict(
    batch_size=1,
    num_workers=num_workers,
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
