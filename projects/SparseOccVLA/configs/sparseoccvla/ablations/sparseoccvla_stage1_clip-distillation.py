_base_ = '../sparseoccvla_r50-256x704_stage1-encoder_8xb1-36e_nus-occ3d.py'

# A frozen CLIP ViT-B/16 teaches the queries what the pixels behind them show.
# The overview figure draws a teacher; its form is ours.
model = dict(
    distillation=dict(
        type='CLIPDistillation',
        teacher=dict(
            type='CLIPVisionTeacher',
            pretrained='openai/clip-vit-base-patch16',
            config=dict(patch_size=16),
            dtype='bfloat16',
        ),
    ),
)
