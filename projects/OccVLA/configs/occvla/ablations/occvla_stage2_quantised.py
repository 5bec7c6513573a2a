_base_ = '../occvla_paligemma2-3b-224_stage2-joint_8xb2-3e_nus-occ3d-qa.py'

# The other reading of Sec. 3.2: the projected latent snaps to the codebook.
model = dict(occ_head=dict(quantise=True))
