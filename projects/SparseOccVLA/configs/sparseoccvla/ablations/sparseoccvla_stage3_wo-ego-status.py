_base_ = '../sparseoccvla_r50-256x704_stage3-forecast-planner_8xb1-12e_nus-occ3d-qa.py'

# No part knows how the car moves, neither planner nor forecaster.
model = dict(
    use_status=False,
    forecaster=dict(use_status=False, use_history=False),
    planner=dict(
        scorer=dict(with_ego=False),
        condition=dict(ego=False),
    ),
)
