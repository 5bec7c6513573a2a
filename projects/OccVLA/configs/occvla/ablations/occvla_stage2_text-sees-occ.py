_base_ = '../occvla_paligemma2-3b-224_stage2-joint_8xb2-3e_nus-occ3d-qa.py'

# Sec. 3.2: texts may read the occupancy queries as well.
model = dict(bridge=dict(text_attends_queries=True))
