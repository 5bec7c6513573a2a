_base_ = '../sparseoccvla_r50-256x704_stage2-language_8xb1-6e_nus-occ3d-qa.py'

# Visual tokens see each other both ways, not only those before them.
model = dict(bridge=dict(prefix_attention='bidirectional'))
