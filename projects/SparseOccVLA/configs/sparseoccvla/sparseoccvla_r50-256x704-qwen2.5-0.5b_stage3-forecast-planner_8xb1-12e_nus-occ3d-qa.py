# Stage 3 with a small language model.
_base_ = [
    './sparseoccvla_r50-256x704_stage3-forecast-planner_8xb1-12e_nus-occ3d-qa.py',
    '../../../../configs/_base_/components/qwen2.5-0.5b-lora.py',
]
model = dict(
    bridge=dict(vlm=dict(_delete_=True, **_base_.small_vlm)),
    tokenizer=_base_.small_tokenizer,
    forecaster=dict(llm_dims=_base_.small_llm_dims),
    planner=dict(reasoning_dims=_base_.small_llm_dims),
)
load_from = 'work_dirs/sparseoccvla_r50-256x704-qwen2.5-0.5b_stage2-language_8xb1-6e_nus-occ3d-qa/epoch_6.pth'
