_base_ = '../sparseoccvla_r50-256x704_stage1-encoder_8xb1-36e_nus-occ3d.py'

# OPUS's reading of images: the first camera that sees a point, and images
# stretched to the centres of the outermost cells.
model = dict(encoder=dict(view_choice='first', align_corners=True))
