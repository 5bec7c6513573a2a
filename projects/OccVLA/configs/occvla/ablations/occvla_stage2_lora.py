_base_ = '../occvla_paligemma2-3b-224_stage2-joint_8xb2-3e_nus-occ3d-qa.py'

# Ours: LoRA on the language model, in place of bottleneck adapters.
model = dict(
    bridge=dict(
        vlm=dict(
            adapter=None,
            lora=dict(
                r=64,
                lora_alpha=64,
                target_modules=['q_proj', 'k_proj', 'v_proj', 'o_proj'],
            ),
        ),
    ),
)
# Stage 1 has other adapters: start from the language model's own weights.
load_from = None
