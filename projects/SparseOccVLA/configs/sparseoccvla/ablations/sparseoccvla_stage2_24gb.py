_base_ = '../sparseoccvla_r50-256x704_stage2-language_8xb1-6e_nus-occ3d-qa.py'

# Ours: for several GPUs of 24 GB. The frozen language model in shards, two
# questions a frame beside the meta-action.
strategy = dict(type='FSDP2Strategy', shard_modules=['LlamaDecoderLayer'])
train_pipeline = [
    dict(t, max_questions=2) if t['type'] == 'LoadDrivingQA' else t
    for t in _base_.train_pipeline
]
train_dataloader = dict(dataset=dict(pipeline=train_pipeline))
