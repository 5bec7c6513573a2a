"""The synthetic mini set for all of tiny SparseOccVLA.

Made by tools/create_synthetic_nuscenes.py and tools/create_data.py.
"""

dataset_type = 'NuScenesOccDataset'
data_root = 'data/synthetic/'
tokenizer = 'mmocc://tiny_tokenizer'
image_size = (128, 224)
num_history = 1
num_future = 6  # 3 s
max_text_length = 256

load_images = [
    dict(type='LoadSurroundImages', size=image_size),
    dict(type='LoadHistoryImages', size=image_size),
]
load_labels = [
    dict(type='LoadOcc3DFromFile'),
    dict(type='LoadFutureOcc3D'),
    dict(type='LoadEgoStatus'),
    dict(type='LoadMetaAction'),
]
train_pipeline = [
    *load_images,
    *load_labels,
    dict(
        type='LoadDrivingQA',
        tasks=('meta_action', 'qa'),
        max_questions=4,
        skip_unanswered=True,
    ),
    dict(type='RandomMirror', prob=0.5),
    dict(type='ComputeLidar2Img'),
    dict(type='TokenizeQA', tokenizer=tokenizer, max_length=max_text_length),
    dict(type='PackOccInputs'),
]
test_pipeline = [
    *load_images,
    *load_labels,
    dict(type='LoadDrivingQA', tasks=('meta_action', 'qa')),
    dict(type='ComputeLidar2Img'),
    dict(
        type='TokenizeQA',
        tokenizer=tokenizer,
        max_length=max_text_length,
        with_answer=False,
    ),
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
        num_future=num_future,
        filter_cfg=dict(require=['occ', 'text']),
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
        num_future=num_future,
        test_mode=True,
    ),
)
test_dataloader = val_dataloader

val_evaluator = [
    dict(type='OccMetric'),
    dict(type='PlanningMetric'),
    dict(type='MetaActionMetric'),
    dict(type='QAMetric'),
]
test_evaluator = val_evaluator
