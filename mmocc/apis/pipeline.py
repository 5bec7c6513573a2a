"""The test pipeline of a config, without what needs ground truth."""

from collections.abc import Sequence

from mmcv.transforms import BaseTransform
from mmengine.config import Config

from mmocc.apis.given_images import GivenHistory, GivenImages
from mmocc.registry import TRANSFORMS
from mmocc.utils.config import ConfigError

GROUND_TRUTH_LOADERS = (
    'LoadAnnotations3D',
    'LoadFutureOcc3D',
    'LoadMetaAction',
    'LoadOcc3DFromFile',
)
NEEDED = ('LoadSurroundImages', 'ComputeLidar2Img', 'PackOccInputs')
# By models with a language model, which is in their `bridge`.
NEEDED_FOR_LANGUAGE = ('LoadDrivingQA', 'TokenizeQA')
# Loaders of images and what takes their place.
IMAGE_LOADERS = {
    'LoadSurroundImages': GivenImages,
    'LoadHistoryImages': GivenHistory,
}
# What changes in a transform, by its name.
CHANGES = {
    'LoadEgoStatus': dict(allow_missing=True),
    # Questions of the frame come as `qa`, whoever asks them.
    'LoadDrivingQA': dict(
        tasks=('meta_action', 'qa'), max_questions=None, skip_unanswered=False
    ),
    'TokenizeQA': dict(with_answer=False),
}


def build_inference_pipeline(config: Config) -> list[BaseTransform]:
    """Build what turns a frame into model input.

    It is the pipeline of ``test_dataloader`` (else ``test_pipeline``) in its
    own order and with its own settings, but for four things: loaders of
    ground truth are left out, images may be in memory, a frame may lack its
    ego motion, and all of its questions are asked, the meta-action question
    first.

    Args:
        config (Config): A whole config.

    Returns:
        list[BaseTransform]: The transforms; ``GivenImages`` among them knows
        the cameras.

    Raises:
        ConfigError: If there is no such pipeline, or it does not load what
            the model reads: surround images and, for its language model,
            questions.
    """
    dataset = config.get('test_dataloader', {}).get('dataset', {})
    given = dataset.get('pipeline', config.get('test_pipeline'))
    if given is None:
        raise ConfigError(
            f'{config.filename}: neither test_dataloader.dataset.pipeline nor '
            'test_pipeline is there; inference builds its pipeline from it'
        )
    steps = [(_name(step), dict(step)) for step in given]
    present = {name for name, _ in steps}
    needed = NEEDED
    if config.model.get('bridge') is not None:
        needed += NEEDED_FOR_LANGUAGE
    missing = [name for name in needed if name not in present]
    if missing:
        raise ConfigError(
            f'{config.filename}: test_dataloader.dataset.pipeline lacks '
            f'{", ".join(missing)}; inference needs {", ".join(needed)}'
        )
    transforms = []
    for name, step in steps:
        if name in GROUND_TRUTH_LOADERS:
            continue
        step.update(CHANGES.get(name, {}))
        if name in IMAGE_LOADERS:
            step.pop('type')
            transforms.append(IMAGE_LOADERS[name](**step))
        else:
            transforms.append(TRANSFORMS.build(step))
    return transforms


def expected_cameras(transforms: Sequence[BaseTransform]) -> tuple[str, ...]:
    """The cameras that a pipeline loads, in the model's order."""
    loader = next(t for t in transforms if isinstance(t, GivenImages))
    return loader.cameras


def expected_history(
    config: Config, transforms: Sequence[BaseTransform]
) -> int:
    """How many past key frames a pipeline loads beside each frame."""
    if not any(isinstance(t, GivenHistory) for t in transforms):
        return 0
    return config.get('test_dataloader', {})['dataset'].get('num_history', 0)


def _name(step: dict) -> str:
    """The class name of a transform, without a scope."""
    kind = step['type']
    kind = kind if isinstance(kind, str) else kind.__name__
    return kind.rpartition('.')[2]
