"""Run a model on other cameras than those it was trained with."""

import copy
from collections.abc import Sequence

from mmengine.config import Config

from mmocc.structures import CAMERAS
from mmocc.utils.config import ConfigError

LOADERS = ('LoadSurroundImages', 'LoadHistoryImages')


def for_cameras(config: Config, cameras: Sequence[str]) -> Config:
    """Change a config for other cameras; weights need no change.

    The model must distinguish cameras by their calibration alone: an encoder
    that projects points into the views (SparseOccVLA), or image tokens with
    a code of their rays (OccVLA with ``position_code``). Without such a code
    the position in the sequence tells the camera, and other cameras would be
    confused with those of the training. Accuracy was only ever measured on
    the cameras of the training.

    Args:
        config (Config): A whole config; is not changed.
        cameras (Sequence[str]): Camera names in any order, at least one.

    Returns:
        Config: The config for these cameras.

    Raises:
        ConfigError: If the model does not allow it, or names repeat.
    """
    cameras = tuple(cameras)
    if not cameras or len(set(cameras)) < len(cameras):
        raise ConfigError(
            f'the cameras are {list(cameras)}, expected one or more different '
            'names'
        )
    config = copy.deepcopy(config)
    model = config.model
    pipelines = [config.get('test_pipeline')]
    pipelines.append(
        config.get('test_dataloader', {}).get('dataset', {}).get('pipeline')
    )
    loaders = [
        step
        for pipeline in filter(None, pipelines)
        for step in pipeline
        if isinstance(step['type'], str)
        and step['type'].rpartition('.')[2] in LOADERS
    ]
    if all(tuple(step.get('cameras', CAMERAS)) == cameras for step in loaders):
        return config
    for step in loaders:
        step['cameras'] = cameras
    if 'encoder' in model:
        model.encoder['num_views'] = len(cameras)
    elif model.get('position_code') is not None:
        model.bridge['num_views'] = len(cameras)
    else:
        raise ConfigError(
            f'{config.filename}: the cameras {list(cameras)} are not those of '
            'the config, and a model without model.position_code tells '
            'cameras by their place in the sequence of image tokens; give '
            "it its own cameras, or train one (LoadSurroundImages' `cameras` "
            'and model.bridge.num_views) for yours'
        )
    return config
