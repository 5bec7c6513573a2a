"""Make a batch of zeros in the sizes that a config's pipelines name.

Images and occupancy are on the model's device. What models read on the CPU
(tokens, poses, cameras) stays there. Every voxel is labelled and seen, every
future step exists, every text has its full length.
"""

from typing import NamedTuple

import numpy as np
import torch
from mmengine.config import Config
from mmengine.structures import BaseDataElement
from torch import Tensor, nn

from mmocc.structures import EGO_STATUS, DrivingQA, OccDataSample, OccGrid
from mmocc.structures.occ3d import NUM_FUTURE, NUM_HISTORY
from mmocc.structures.tokens import IGNORE_LABEL

SPLITS = dict(loss='train', predict='test')
META_TASK = 'meta_action'
# Tasks of LoadDrivingQA and length of TokenizeQA where a config has none.
DEFAULT_TASKS = (META_TASK,)
DEFAULT_LENGTH = 256


class BatchSize(NamedTuple):
    """Sizes of a batch.

    Attributes:
        frames (int): Frames in the batch, B.
        images (int): Images per frame, those of past frames included.
        height, width (int): Size of an image in pixels.
        texts (int): Texts per frame.
        tokens (int): Tokens per text.
        answered (bool): Whether texts are answers (all but a first token) or
            questions.
    """

    frames: int
    images: int
    height: int
    width: int
    texts: int
    tokens: int
    answered: bool


def batch_size_of(
    cfg: Config, model: nn.Module, mode: str, frames: int
) -> BatchSize:
    """Read the sizes of a batch from a config's pipelines.

    As many questions are taken as training draws, also where testing asks
    all.

    Args:
        cfg (Config): Config with ``train_dataloader`` and
            ``test_dataloader``.
        model (nn.Module): The config's model.
        mode (str): 'loss' or 'predict'.
        frames (int): Frames in the batch.
    """
    steps = _pipeline_steps(cfg, SPLITS[mode])
    images = steps.get('LoadSurroundImages', {})
    tokenize = steps.get('TokenizeQA')
    texts = 0
    if tokenize is not None:
        tasks = set(steps['LoadDrivingQA'].get('tasks', DEFAULT_TASKS))
        drawing = _pipeline_steps(cfg, 'train')['LoadDrivingQA']
        drawn = drawing.get('max_questions') or 0
        texts = drawn * bool(tasks - {META_TASK}) + (META_TASK in tasks)
    tokenize = tokenize or {}
    return BatchSize(
        frames,
        _count_images(model),
        *images.get('size', (0, 0)),
        texts,
        tokenize.get('max_length', DEFAULT_LENGTH) if texts else 0,
        answered=tokenize.get('with_answer', True),
    )


def _pipeline_steps(cfg: Config, split: str) -> dict[str, dict]:
    """Return the transforms of a split's pipeline by type."""
    pipeline = cfg[f'{split}_dataloader'].dataset.pipeline
    return {step['type']: step for step in pipeline}


def _count_images(model: nn.Module) -> int:
    """Return the images per frame, 0 for a model of occupancy alone."""
    encoder = getattr(model, 'encoder', None)
    if encoder is not None:
        return encoder.num_frames * encoder.num_views
    bridge = getattr(model, 'bridge', None)
    return 0 if bridge is None else bridge.num_views


def blank_batch(
    size: BatchSize, device: str = 'meta'
) -> tuple[dict[str, Tensor], list[OccDataSample]]:
    """Make the inputs and data samples of a forward pass, all zeros.

    Args:
        size (BatchSize): Sizes of the batch.
        device (str): Device of images and occupancy. Defaults to 'meta'.

    Returns:
        tuple: ``dict(imgs=...)`` with (B, N, 3, H, W), and B data samples.
    """
    shape = (size.frames, size.images, 3, size.height, size.width)
    imgs = torch.zeros(shape, device=device)
    return dict(imgs=imgs), [
        _blank_sample(index, size, device) for index in range(size.frames)
    ]


def _blank_sample(index: int, size: BatchSize, device: str) -> OccDataSample:
    sample = OccDataSample()
    sample.set_metainfo(
        dict(
            token=f'frame {index}',
            cam2img=np.tile(np.eye(3), (size.images, 1, 1)),
            cam2ego=np.tile(np.eye(4), (size.images, 1, 1)),
        )
    )
    grid = OccGrid().shape
    future = (NUM_FUTURE, *grid)
    with torch.device(device):
        sample.gt_occ = BaseDataElement(
            semantics=torch.zeros(grid, dtype=torch.uint8),
            mask_camera=torch.ones(grid, dtype=torch.bool),
            mask_lidar=torch.ones(grid, dtype=torch.bool),
            future_semantics=torch.zeros(future, dtype=torch.uint8),
            future_mask_camera=torch.ones(future, dtype=torch.bool),
        )
    sample.gt_occ.future_valid = torch.ones(NUM_FUTURE, dtype=torch.bool)
    sample.gt_ego = BaseDataElement(
        status=torch.zeros(len(EGO_STATUS)),
        his_trajs=torch.zeros(NUM_HISTORY, 3),
        his_masks=torch.ones(NUM_HISTORY, dtype=torch.bool),
        fut_trajs=torch.zeros(NUM_FUTURE, 2),
        fut_masks=torch.ones(NUM_FUTURE, dtype=torch.bool),
    )
    if size.texts:
        sample.gt_text = _blank_texts(size)
    return sample


def _blank_texts(size: BatchSize) -> BaseDataElement:
    """Make the texts of a frame; the first one asks for the meta-action."""
    tasks = [META_TASK] + ['qa'] * (size.texts - 1)
    ids = torch.zeros(size.tokens, dtype=torch.long)
    labels = torch.full_like(ids, IGNORE_LABEL)
    if size.answered:
        labels[1:] = 0
    return BaseDataElement(
        questions=[DrivingQA('?', '', task) for task in tasks],
        input_ids=[ids] * size.texts,
        labels=[labels] * size.texts,
    )
