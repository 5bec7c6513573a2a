"""The test pipeline of a config, without what needs ground truth."""

from collections.abc import Sequence

from mmcv.transforms import BaseTransform
from mmengine.config import Config

from mmocc.apis.given_images import GivenImages
from mmocc.registry import TRANSFORMS
from mmocc.utils.config import ConfigError

GROUND_TRUTH_LOADERS = (
    'LoadAnnotations3D',
    'LoadMetaAction',
    'LoadOcc3DFromFile',
)
NEEDED = (
    'LoadSurroundImages',
    'ComputeLidar2Img',
    'LoadDrivingQA',
    'TokenizeQA',
    'PackOccInputs',
)
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
    own order and with its own settings, but for three things: loaders of
    ground truth are left out, a frame may lack its ego motion, and all of its
    questions are asked, the meta-action question first.

    Args:
        config (Config): A whole config.

    Returns:
        list[BaseTransform]: The transforms; ``GivenImages`` among them knows
        the cameras.

    Raises:
        ConfigError: If there is no such pipeline, or it is not that of a
            model that reads surround images and questions.
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
    missing = [name for name in NEEDED if name not in present]
    if missing:
        raise ConfigError(
            f'{config.filename}: test_dataloader.dataset.pipeline lacks '
            f'{", ".join(missing)}; inference needs {", ".join(NEEDED)}'
        )
    transforms = []
    for name, step in steps:
        if name in GROUND_TRUTH_LOADERS:
            continue
        step.update(CHANGES.get(name, {}))
        if name == 'LoadSurroundImages':
            step.pop('type')
            transforms.append(GivenImages(**step))
        else:
            transforms.append(TRANSFORMS.build(step))
    return transforms


def expected_cameras(transforms: Sequence[BaseTransform]) -> tuple[str, ...]:
    """The cameras that a pipeline loads, in the model's order."""
    loader = next(t for t in transforms if isinstance(t, GivenImages))
    return loader.cameras


def _name(step: dict) -> str:
    """The class name of a transform, without a scope."""
    kind = step['type']
    kind = kind if isinstance(kind, str) else kind.__name__
    return kind.rpartition('.')[2]
