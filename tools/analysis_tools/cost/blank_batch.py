"""A batch of the sizes that a config tells, for counting without data.

Images and occupancy are on the model's device. What models read on the CPU
(tokens, poses, cameras) is there, all zeros: every voxel is labelled and seen,
every future step exists, every text has its full length.
"""

from typing import NamedTuple

import numpy as np
import torch
from mmengine.config import Config
from mmengine.structures import BaseDataElement
from torch import Tensor, nn

from cost.pipeline_sizes import META_TASK, find_steps, image_size, text_size
from mmocc.structures import EGO_STATUS, DrivingQA, OccDataSample, OccGrid
from mmocc.structures.occ3d import NUM_FUTURE, NUM_HISTORY
from mmocc.structures.tokens import IGNORE_LABEL

SPLITS = dict(loss='train', predict='test')


class BatchSize(NamedTuple):
    """How large a batch is.

    Attributes:
        frames (int): Of the batch.
        images (int): Of a frame, with those of the past.
        height, width (int): Of an image, in pixels.
        texts (int): Of a frame.
        tokens (int): Of a text.
        answered (bool): Whether texts are answers, all but a first token, or
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
    """Read the sizes from the pipeline of a mode, 'loss' or 'predict'."""
    split = SPLITS[mode]
    tokenize = find_steps(cfg, split).get('TokenizeQA', {})
    return BatchSize(
        frames,
        _count_images(model),
        *image_size(cfg, split),
        *text_size(cfg, split),
        answered=tokenize.get('with_answer', True),
    )


def _count_images(model: nn.Module) -> int:
    """Of each frame, 0 for a model of occupancy alone."""
    encoder = getattr(model, 'encoder', None)
    if encoder is not None:
        return encoder.num_frames * encoder.num_views
    bridge = getattr(model, 'bridge', None)
    return 0 if bridge is None else bridge.num_views


def blank_batch(
    size: BatchSize, device: str = 'meta'
) -> tuple[dict[str, Tensor], list[OccDataSample]]:
    """What a model is called with.

    Args:
        size (BatchSize): Sizes.
        device (str): Of images and occupancy. Defaults to 'meta'.

    Returns:
        tuple: ``imgs`` (B, N, 3, H, W), and B samples.
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
    """The question of the meta-action first, then others."""
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
