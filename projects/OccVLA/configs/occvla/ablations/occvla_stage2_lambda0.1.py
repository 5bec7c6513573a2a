_base_ = '../occvla_paligemma2-3b-224_stage2-joint_8xb2-3e_nus-occ3d-qa.py'

# Eq. 3: less focus on occupancy.
model = dict(occ_head=dict(loss_occ=dict(loss_weight=0.1)))
