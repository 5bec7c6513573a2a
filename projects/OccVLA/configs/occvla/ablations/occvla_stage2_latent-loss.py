_base_ = '../occvla_paligemma2-3b-224_stage2-joint_8xb2-3e_nus-occ3d-qa.py'

# Sec. 3.4: align the latent, not the voxels.
model = dict(occ_head=dict(supervise='latent'))
