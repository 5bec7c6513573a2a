"""nuScenes for all of SparseOccVLA: history, future labels, ego, language.

Needs data_root as tools/create_data.py leaves it: samples/, gts/ and
nuscenes_infos_occ_{train,val}.pkl. What a stage does not need it leaves out
of the pipelines.
"""

# ----- frequently modified -----
dataset_type = 'NuScenesOccDataset'
data_root = 'data/nuscenes/'
# Checkpoint id or local folder; the language model's own tokenizer.
tokenizer = 'lmsys/vicuna-7b-v1.5'
image_size = (256, 704)  # height and width, the aspect ratio changes
num_history = 7
num_future = 6  # 3 s
batch_size = 1  # frames on each GPU
num_workers = 4

# ----- sizes that the paper does not give (ours) -----
max_text_length = 256  # tokens of question and answer
num_questions = 4  # drawn anew in each epoch, beside the meta-action question

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
        max_questions=num_questions,
        skip_unanswered=True,
    ),
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
        num_future=num_future,
        filter_cfg=dict(require=['occ', 'text']),
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
