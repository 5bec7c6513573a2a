"""Hand-made frames and a model smaller than tiny, for tests of OccVLA."""

from pathlib import Path

import numpy as np
import torch
from mmengine.config import Config
from mmengine.structures import BaseDataElement

import mmocc.projects.OccVLA.occvla  # noqa: F401  (registers OccVLA)
from mmocc.registry import MODELS
from mmocc.structures import DrivingQA, MetaAction, OccDataSample
from mmocc.structures.prompts import meta_action_question
from mmocc.utils.tokenizers import load_tokenizer

COMPONENTS = Path(__file__).parents[3] / 'configs/_base_/components'
TOKENIZER = 'mmocc://tiny_tokenizer'
WIDTH = 128
HISTORY = [MetaAction('Maintain speed', 'Go Straight')]
ANSWER = 'Scene: A car ahead. Action: Decelerate; Go Straight.'


def model_config(occ_head=True, planner=False, **options):
    """OccVLA with the tiny VLM and a VQ-VAE of almost no width."""
    vlm = Config.fromfile(COMPONENTS / 'paligemma2-tiny.py').vlm
    config = dict(
        type='OccVLA',
        bridge=dict(type='VLOBridge', vlm=vlm),
        tokenizer=TOKENIZER,
        position_code=dict(type='RayPositionCode', embed_dims=WIDTH),
        max_new_tokens=6,
    )
    if occ_head:
        config['occ_head'] = dict(
            type='LatentOccHead',
            embed_dims=WIDTH,
            query_shape=(10, 10),
            vqvae=dict(
                type='SceneVQVAE',
                base_channels=4,
                expansion=2,
                latent_channels=8,
                mid_attention=False,
                attention_levels=(),
                num_codes=None,
            ),
            loss_occ=dict(type='OccCrossEntropyLoss', free_ratio=0.2),
        )
    if planner is True:
        planner = dict(
            type='MLPPlanner', embed_dims=WIDTH, hidden_dims=32, num_heads=4
        )
    if planner:
        config['planner'] = planner
    config.update(options)
    return config


def build_model(seed=0, **options):
    torch.manual_seed(seed)
    return MODELS.build(model_config(**options))


def make_batch(size=2, seed=0, questions=2):
    """Frames with everything OccVLA reads, and their images."""
    rng = np.random.default_rng(seed)
    tokenizer = load_tokenizer(TOKENIZER)
    samples = [_make_sample(i, rng, tokenizer, questions) for i in range(size)]
    imgs = torch.from_numpy(
        rng.standard_normal((size, 6, 3, 96, 96)).astype(np.float32)
    )
    return dict(imgs=imgs), samples


def _make_sample(index, rng, tokenizer, questions):
    sample = OccDataSample()
    azimuth = np.radians([0, -55, 55, 180, 110, -110])
    cam2ego = np.tile(np.eye(4), (6, 1, 1))
    for i, a in enumerate(azimuth):
        forward = np.array([np.cos(a), np.sin(a), 0])
        left = np.array([-np.sin(a), np.cos(a), 0])
        up = np.array([0, 0, 1.0])
        cam2ego[i, :3, :3] = np.stack([-left, -up, forward], axis=1)
        cam2ego[i, :3, 3] = [1.0, 0.0, 1.5]
    cam2img = np.tile(
        np.array([[66.0, 0, 48], [0, 66, 48], [0, 0, 1]]), (6, 1, 1)
    )
    sample.set_metainfo(
        dict(token=f'frame{index}', cam2img=cam2img, cam2ego=cam2ego)
    )
    sample.gt_occ = BaseDataElement(
        semantics=torch.from_numpy(
            rng.choice(18, (200, 200, 16), p=[0.01] * 17 + [0.83])
        ).byte(),
        mask_camera=torch.from_numpy(rng.random((200, 200, 16)) < 0.1),
    )
    sample.gt_ego = BaseDataElement(
        status=torch.tensor([5.0, 5, 0, 0, 0, 0, 0]),
        his_trajs=torch.tensor([[-2.5 * i, 0, 0] for i in (4, 3, 2, 1)]),
        his_masks=torch.ones(4, dtype=torch.bool),
        fut_trajs=torch.tensor([[2.5 * i, 0] for i in range(1, 7)]),
        fut_masks=torch.ones(6, dtype=torch.bool),
    )
    items = [
        DrivingQA(f'Are there {n + 2} cars?', 'yes', 'qa', 'exist', 0)
        for n in range(questions)
    ]
    items.append(
        DrivingQA(meta_action_question(HISTORY), ANSWER, 'meta_action')
    )
    ids, labels = [], []
    for item in items:
        prompt = [tokenizer.bos_token_id, *_ids(tokenizer, item.question)]
        prompt += _ids(tokenizer, '\n')
        answer = [
            *_ids(tokenizer, item.answer),
            tokenizer.eos_token_id,
        ]
        ids.append(torch.tensor(prompt + answer))
        labels.append(torch.tensor([-100] * len(prompt) + answer))
    sample.gt_text = BaseDataElement(
        questions=items, input_ids=ids, labels=labels
    )
    return sample


def _ids(tokenizer, text):
    return tokenizer(text, add_special_tokens=False)['input_ids']
