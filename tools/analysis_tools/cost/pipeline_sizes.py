"""Sizes of a batch that the pipelines of a config tell."""

from mmengine.config import Config

META_TASK = 'meta_action'
# Tasks and length of LoadDrivingQA and TokenizeQA where a config has none.
DEFAULT_TASKS = (META_TASK,)
DEFAULT_LENGTH = 256


def find_steps(cfg: Config, split: str = 'train') -> dict[str, dict]:
    """Transforms of the pipeline of a split, by type."""
    pipeline = cfg[f'{split}_dataloader'].dataset.pipeline
    return {step['type']: step for step in pipeline}


def text_size(cfg: Config, split: str = 'train') -> tuple[int, int]:
    """Most texts of a frame, and most tokens of each; (0, 0) without texts.

    As many questions are drawn as in training, also where a split asks all.
    """
    steps = find_steps(cfg, split)
    if 'TokenizeQA' not in steps:
        return 0, 0
    tasks = set(steps['LoadDrivingQA'].get('tasks', DEFAULT_TASKS))
    drawn = find_steps(cfg)['LoadDrivingQA'].get('max_questions') or 0
    texts = drawn * bool(tasks - {META_TASK}) + (META_TASK in tasks)
    return texts, steps['TokenizeQA'].get('max_length', DEFAULT_LENGTH)


def image_size(cfg: Config, split: str = 'train') -> tuple[int, int]:
    """Height and width in pixels; (0, 0) without images."""
    step = find_steps(cfg, split).get('LoadSurroundImages')
    return (0, 0) if step is None else tuple(step['size'])
