"""Hand-made frames and a model smaller than tiny, for SparseOccVLA."""

import copy
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from mmengine.config import Config
from mmengine.registry import init_default_scope
from mmengine.structures import BaseDataElement
from mmocc_testing import make_anchor_set

import mmocc.projects.SparseOccVLA.sparseoccvla  # noqa: F401  (registers it)
from mmocc.registry import MODELS
from mmocc.structures import FREE, DrivingQA, MetaAction, OccDataSample
from mmocc.structures.prompts import meta_action_question
from mmocc.utils.tokenizers import load_tokenizer

ROOT = Path(__file__).parents[3]
CONFIGS = ROOT / 'projects/SparseOccVLA/configs'
SMALL = ROOT / 'tests/mmocc/apis/small_sparseoccvla.py'
TOKENIZER = 'mmocc://tiny_tokenizer'
QUERIES, GLOBALS, ANCHORS, FRAMES, VIEWS, STEPS = 12, 12, 6, 2, 6, 6
GRID = (200, 200, 16)
SIZE = (64, 96)
SPEED = 5.0
HISTORY = [MetaAction('Maintain speed', 'Go Straight')]
ANSWER = 'Scene: A car ahead. Action: Decelerate; Go Straight.'


def write_anchors(folder, **changes):
    """Arcs of 3 s at 5 m/s and others; returns the file."""
    count = changes.pop('count', ANCHORS)
    steps = changes.pop('steps', STEPS)
    mode = changes.pop('mode', 'global')
    ahead = np.linspace(1, 4, count)[:, None] * np.arange(1, steps + 1)
    aside = np.linspace(-1, 1, count)[:, None] * np.arange(1, steps + 1)
    anchors = np.stack([ahead, aside], axis=-1)
    path = Path(folder) / f'anchors_{count}_{mode}.npz'
    replace(make_anchor_set(anchors, mode), **changes).save(path)
    return path


def model_config(anchors, *changes):
    """A small config with changes merged into it.

    Args:
        anchors (Path): File of the anchors.
        *changes (dict): As a child config would write them under ``model``.
    """
    cfg = Config.fromfile(SMALL)
    for change in changes:
        # Merging takes ``_delete_`` out of the change.
        merged = Config._merge_a_into_b(
            dict(model=copy.deepcopy(change)), cfg._cfg_dict.to_dict()
        )
        cfg = Config(merged)
    if 'anchors' in (cfg.model.planner or {}):
        cfg.model.planner.anchors.file = str(anchors)
    return cfg.model


def build_model(anchors, *changes, seed=0, awake=True):
    """A model; ``awake`` gives weights that start at zero something to do."""
    init_default_scope('mmocc')
    torch.manual_seed(seed)
    model = MODELS.build(model_config(anchors, *changes))
    if awake:
        for parameter in model.parameters():
            parameter.data += 0.05 * torch.randn_like(parameter)
    return model


def make_batch(size=2, seed=0, questions=2, voxels=300):
    """Frames with everything that the model reads, and their images."""
    rng = np.random.default_rng(seed)
    samples = [_make_sample(i, rng, questions, voxels) for i in range(size)]
    imgs = rng.standard_normal((size, FRAMES * VIEWS, 3, *SIZE))
    return dict(imgs=torch.from_numpy(imgs.astype(np.float32))), samples


def make_label(rng, voxels):
    """A grid of free space but for so many voxels."""
    semantics = np.full(GRID, FREE, dtype=np.uint8)
    places = rng.choice(semantics.size, voxels, replace=False)
    semantics.flat[places] = rng.integers(0, FREE, voxels)
    return torch.from_numpy(semantics)


def ask(sample, items):
    """Give a frame these questions, tokenised as in training."""
    tokenizer = load_tokenizer(TOKENIZER)

    def encode(text):
        return tokenizer(text, add_special_tokens=False)['input_ids']

    ids, labels = [], []
    for item in items:
        prompt = [tokenizer.bos_token_id, *encode(item.question + '\n')]
        answer = [*encode(item.answer), tokenizer.eos_token_id]
        ids.append(torch.tensor(prompt + answer))
        labels.append(torch.tensor([-100] * len(prompt) + answer))
    sample.gt_text = BaseDataElement(
        questions=items, input_ids=ids, labels=labels
    )


def _make_sample(index, rng, questions, voxels):
    sample = OccDataSample()
    cam2ego = np.tile(np.eye(4), (FRAMES, VIEWS, 1, 1))
    for view, yaw in enumerate(np.radians([0, -55, 55, 180, 110, -110])):
        forward = np.array([np.cos(yaw), np.sin(yaw), 0])
        left = np.array([-np.sin(yaw), np.cos(yaw), 0])
        up = np.array([0, 0, 1.0])
        cam2ego[:, view, :3, :3] = np.stack([-left, -up, forward], axis=1)
        cam2ego[:, view, :3, 3] = [1.0, 0.0, 1.5]
    # Half a second ago the cameras were further back.
    cam2ego[1, :, 0, 3] -= SPEED / 2
    height, width = SIZE
    cam2img = np.array(
        [[0.7 * width, 0, width / 2], [0, 0.7 * width, height / 2], [0, 0, 1]]
    )
    sample.set_metainfo(
        dict(
            token=f'frame{index}',
            cam2img=np.tile(cam2img, (FRAMES * VIEWS, 1, 1)),
            cam2ego=cam2ego.reshape(-1, 4, 4),
        )
    )
    sample.gt_occ = BaseDataElement(
        semantics=make_label(rng, voxels),
        mask_camera=torch.ones(GRID, dtype=torch.bool),
        future_semantics=torch.stack(
            [make_label(rng, voxels) for _ in range(STEPS)]
        ),
        future_mask_camera=torch.ones(STEPS, *GRID, dtype=torch.bool),
        future_valid=torch.ones(STEPS, dtype=torch.bool),
    )
    steps = torch.arange(1.0, STEPS + 1)
    turn = 0.1 * (1 + index) * steps**2
    sample.gt_ego = BaseDataElement(
        status=torch.tensor([SPEED, SPEED, 0.1, 0.2, 0.3, 0.02, 0.4]),
        his_trajs=torch.tensor([[-2.5 * i, 0, 0] for i in (4, 3, 2, 1)]),
        his_masks=torch.ones(4, dtype=torch.bool),
        fut_trajs=torch.stack([2.5 * steps, turn], dim=-1),
        fut_masks=torch.ones(STEPS, dtype=torch.bool),
        command=torch.tensor(-1),
    )
    items = [
        DrivingQA(f'Are there {n + index} cars?', 'yes', 'qa', 'exist', 0)
        for n in range(questions)
    ]
    question = meta_action_question(HISTORY)
    ask(sample, [*items, DrivingQA(question, ANSWER, 'meta_action')])
    return sample
