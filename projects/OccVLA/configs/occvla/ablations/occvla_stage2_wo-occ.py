_base_ = '../occvla_paligemma2-3b-224_stage2-joint_8xb2-3e_nus-occ3d-qa.py'

# Table 4, row 1: the same VLM without occupancy supervision.
model = dict(occ_head=None)
val_evaluator = [dict(type='MetaActionMetric'), dict(type='QAMetric')]
test_evaluator = val_evaluator
