_base_ = '../sparseoccvla_r50-256x704_stage3-forecast-planner_8xb1-12e_nus-occ3d-qa.py'

# Scores are the language model's logits of 18 letters, trained as its words
# are. The ego status cannot be added to logits.
model = dict(
    planner=dict(
        scorer=dict(_delete_=True, type='AnswerLogitScorer'),
        loss_score=dict(type='AnchorCELoss'),
    ),
)
