# Stage 2 with a small language model.
_base_ = [
    './sparseoccvla_r50-256x704_stage2-language_8xb1-6e_nus-occ3d-qa.py',
    '../../../../configs/_base_/components/qwen2.5-0.5b-lora.py',
]
model = dict(
    bridge=dict(vlm=dict(_delete_=True, **_base_.small_vlm)),
    tokenizer=_base_.small_tokenizer,
)
