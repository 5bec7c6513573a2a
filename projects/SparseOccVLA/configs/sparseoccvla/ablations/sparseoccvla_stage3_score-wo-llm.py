_base_ = '../sparseoccvla_r50-256x704_stage3-forecast-planner_8xb1-12e_nus-occ3d-qa.py'

# Scores from pooled occupancy queries and ego status: what the language model
# is worth to the choice. The paper reports .17/.28/.41 m without it.
model = dict(
    planner=dict(scorer=dict(_delete_=True, type='SceneScorer')),
)
