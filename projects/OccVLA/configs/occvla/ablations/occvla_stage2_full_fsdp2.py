_base_ = [
    '../occvla_paligemma2-3b-224_stage2-joint_8xb2-3e_nus-occ3d-qa.py',
    '../../../../../configs/_base_/strategies/fsdp2.py',
]

# Ours: all weights of the VLM train, in shards; no adapters (Sec. 3.2).
model = dict(bridge=dict(vlm=dict(adapter=None, frozen=[])))
