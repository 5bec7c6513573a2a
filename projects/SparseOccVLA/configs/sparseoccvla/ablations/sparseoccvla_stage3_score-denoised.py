_base_ = '../sparseoccvla_r50-256x704_stage3-forecast-planner_8xb1-12e_nus-occ3d-qa.py'

# Coupled scores, read from the denoiser as in DiffusionDrive. All anchors have
# to be denoised.
model = dict(
    planner=dict(
        scorer=dict(_delete_=True, type='DenoisedScorer'),
        denoise='all',
        train_on='all',
    ),
)
