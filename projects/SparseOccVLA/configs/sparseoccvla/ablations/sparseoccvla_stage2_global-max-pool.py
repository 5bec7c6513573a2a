_base_ = '../sparseoccvla_r50-256x704_stage2-language_8xb1-6e_nus-occ3d-qa.py'

# Global queries start from maxima of the queries, as in HERMES.
model = dict(bridge=dict(global_init='max_pool'))
