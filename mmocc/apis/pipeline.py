"""Build the test pipeline of a config without its ground-truth loaders."""

from collections.abc import Sequence

from mmcv.transforms import BaseTransform
from mmengine.config import Config
from mmengine.logging import MMLogger

from mmocc.apis.given_images import GivenHistory, GivenImages
from mmocc.datasets import SampleError
from mmocc.registry import TRANSFORMS
from mmocc.utils.config import ConfigError

GROUND_TRUTH_LOADERS = (
    'LoadAnnotations3D',
    'LoadFutureOcc3D',
    'LoadMetaAction',
    'LoadOcc3DFromFile',
)
NEEDED = ('LoadSurroundImages', 'ComputeLidar2Img', 'PackOccInputs')
# Needed by models with a language model, which is in their `bridge`.
NEEDED_FOR_LANGUAGE = ('LoadDrivingQA', 'TokenizeQA')
# Loaders of images and their replacements.
IMAGE_LOADERS = {
    'LoadSurroundImages': GivenImages,
    'LoadHistoryImages': GivenHistory,
}
# Changed arguments by the name of the transform.
CHANGES = {
    'LoadEgoStatus': dict(allow_missing=True),
    # All questions of a frame come as `qa`.
    'LoadDrivingQA': dict(
        tasks=('meta_action', 'qa'), max_questions=None, skip_unanswered=False
    ),
    'TokenizeQA': dict(with_answer=False),
}


def build_inference_pipeline(config: Config) -> list[BaseTransform]:
    """Build the transforms from a frame to model input.

    They are those of ``test_dataloader`` (else ``test_pipeline``), with four
    changes: loaders of ground truth are left out, images may be in memory, a
    frame may lack its ego motion, and all of its questions are asked, the
    meta-action question first.

    Args:
        config (Config): A whole config.

    Returns:
        list[BaseTransform]: The transforms, with ``GivenImages`` as loader.

    Raises:
        ConfigError: If there is no such pipeline, or it does not load the
            surround images or, for a language model, the questions.
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
    """Return the cameras that a pipeline loads, in the model's order."""
    loader = next(t for t in transforms if isinstance(t, GivenImages))
    return loader.cameras


def expected_history(
    config: Config, transforms: Sequence[BaseTransform]
) -> int:
    """Return the number of past key frames that a pipeline loads."""
    if not any(isinstance(t, GivenHistory) for t in transforms):
        return 0
    return config.get('test_dataloader', {})['dataset'].get('num_history', 0)


def _name(step: dict) -> str:
    """Return the class name of a transform without its scope."""
    kind = step['type']
    kind = kind if isinstance(kind, str) else kind.__name__
    return kind.rpartition('.')[2]


class OptionalLoader:
    """Run a loader of labels, and go on without those that do not exist.

    Args:
        loader (BaseTransform): Loader that raises ``SampleError`` for a frame
            without its label.
    """

    def __init__(self, loader: BaseTransform) -> None:
        self.loader = loader
        self._warned = False

    def __call__(self, results: dict) -> dict:
        """Load the label of a frame; warn the first time that fails."""
        try:
            return self.loader(results)
        except SampleError as error:
            if not self._warned:
                MMLogger.get_current_instance().warning(
                    f'{error}; this label is left out, and those of other '
                    'frames without further warnings'
                )
            self._warned = True
            return results

    @classmethod
    def wrap(cls, transforms: list[BaseTransform]) -> None:
        """Make the loaders of ground truth in a list optional, in place."""
        for place, transform in enumerate(transforms):
            if type(transform).__name__ in GROUND_TRUTH_LOADERS:
                transforms[place] = cls(transform)
