"""nuScenes with Occ3D labels, ego motion, meta-actions and questions.

Needs data_root as tools/create_data.py leaves it: samples/, gts/ and
nuscenes_infos_occ_{train,val}.pkl.

mmengine executes this file once: a child that changes data_root, image_size
or tokenizer changes no pipeline. It overrides the leaf, such as
train_dataloader.dataset.data_root, or restates the pipeline.
"""

# ----- frequently modified -----
dataset_type = 'NuScenesOccDataset'
data_root = 'data/nuscenes/'
# Checkpoint id or local folder; the language model's own tokenizer.
tokenizer = 'google/paligemma2-3b-pt-224'
# Height and width of each of the six views (PaliGemma2-3B-224).
image_size = (224, 224)
batch_size = 2  # frames on each GPU
num_workers = 4

# ----- sizes that the paper does not give (ours) -----
max_text_length = 256  # tokens of question and answer
num_questions = 4  # drawn anew in each epoch, beside the meta-action question

# Occ3D's classes; boxes carry the same ids.
class_names = [
    'others', 'barrier', 'bicycle', 'bus', 'car', 'construction_vehicle',
    'motorcycle', 'pedestrian', 'traffic_cone', 'trailer', 'truck',
    'driveable_surface', 'other_flat', 'sidewalk', 'terrain', 'manmade',
    'vegetation', 'free',
]  # fmt: skip

train_pipeline = [
    dict(type='LoadSurroundImages', size=image_size),
    dict(type='LoadOcc3DFromFile'),
    dict(type='LoadEgoStatus'),
    dict(type='LoadMetaAction'),
    dict(
        type='LoadDrivingQA',
        tasks=('meta_action', 'qa'),
        max_questions=num_questions,
        skip_unanswered=True,
    ),
    dict(type='ComputeLidar2Img'),
    dict(type='TokenizeQA', tokenizer=tokenizer, max_length=max_text_length),
    dict(type='PackOccInputs'),
]
test_pipeline = [
    dict(type='LoadSurroundImages', size=image_size),
    dict(type='LoadOcc3DFromFile'),
    dict(type='LoadEgoStatus'),
    dict(type='LoadMetaAction'),
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
    batch_size=batch_size,
    num_workers=num_workers,
    persistent_workers=True,
    pin_memory=True,
    sampler=dict(type='EpochSampler', shuffle=True),
    dataset=dict(
        type=dataset_type,
        data_root=data_root,
        ann_file='nuscenes_infos_occ_train.pkl',
        pipeline=train_pipeline,
        # Ends of scenes have no label; a few have no question either.
        filter_cfg=dict(require=['text']),
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
        pipeline=test_pipeline,
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
