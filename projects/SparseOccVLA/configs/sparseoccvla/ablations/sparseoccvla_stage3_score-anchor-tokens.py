_base_ = '../sparseoccvla_r50-256x704_stage3-forecast-planner_8xb1-12e_nus-occ3d-qa.py'

# The language model sees the anchors: a soft token for each, scored by its own
# hidden state.
model = dict(planner=dict(scorer=dict(type='AnchorTokenScorer')))
