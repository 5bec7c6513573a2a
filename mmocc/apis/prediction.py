"""Convert predictions to plain values and JSON."""

import json
import re
from collections.abc import Mapping

from mmengine.structures import BaseDataElement
from torch import Tensor

from mmocc.structures import (
    DIRECTIONS,
    OCC3D_CLASSES,
    SPEEDS,
    OccDataSample,
)
from mmocc.structures.meta_action import IGNORE
from mmocc.structures.occ3d import STEP_SECONDS

# 0.01 mm and 0.0001 %, finer than any prediction is exact.
_DECIMALS = 5
_SCORE_DECIMALS = 6

# Task of the ``DrivingQA`` whose answer is the reasoning.
META_ACTION = 'meta_action'

# An array of numbers. JSON escapes line breaks in text, so no text matches.
_NUMBERS = re.compile(r'\[\n\s*([-+.\deE,\s]+?)\n\s*\]')


def prediction_dict(sample: OccDataSample) -> dict:
    """Convert the predictions of a frame to plain Python values.

    Args:
        sample (OccDataSample): A frame with predictions.

    Returns:
        dict: ``token``, ``scene_name``, ``frame_idx``, and, None for parts
        that the model does not have,

        - ``trajectory``: six [x, y] in metres in the ego frame, at
          ``seconds`` 0.5 to 3.0;
        - ``candidates``: all trajectories that the planner refined with
          their ``score``, a logit, best first; None for a planner without
          scores;
        - ``meta_action``: ``speed`` and ``direction`` (the most probable
          pair, or the generated one, None if that is no legal pair), and
          ``speed_probabilities``, ``direction_probabilities`` by word, None
          for models that generate the pair as text;
        - ``chain_of_thought``: the reasoning, which ends in the action;
        - ``questions``, ``answers``: lists of text in the same order; the
          answer to the meta-action question is the chain of thought;
        - ``occupancy``: ``shape`` and ``voxels``, the counts by class name;
        - ``forecast``: the same for each step of ``seconds``.
    """
    meta = sample.metainfo
    trajectory = candidates = occupancy = forecast = None
    if 'pred_ego' in sample:
        candidates = _list_candidates(sample.pred_ego)
        trajectory = _to_points(sample.pred_ego.trajs[0])
    if 'pred_occ' in sample:
        occupancy = _count_voxels(sample.pred_occ.semantics)
        if 'future_semantics' in sample.pred_occ:
            forecast = [
                _count_voxels(grid)
                for grid in sample.pred_occ.future_semantics
            ]
    questions = sample.gt_text.questions if 'gt_text' in sample else []
    answers = sample.pred_text.answers if 'pred_text' in sample else []
    steps = len(trajectory or forecast or ())
    return {
        'token': meta['token'],
        'scene_name': meta['scene_name'],
        'frame_idx': meta['frame_idx'],
        'trajectory': trajectory,
        'seconds': [STEP_SECONDS * (step + 1) for step in range(steps)],
        'candidates': candidates,
        'meta_action': _describe_action(sample.get('pred_meta')),
        'chain_of_thought': next(
            (
                answer
                for question, answer in zip(questions, answers, strict=True)
                if question.task == META_ACTION
            ),
            None,
        ),
        'questions': [question.question for question in questions],
        'answers': list(answers),
        'occupancy': occupancy,
        'forecast': forecast,
    }


def prediction_json(prediction: dict) -> str:
    """Format a prediction as indented JSON with each point on one line.

    Args:
        prediction (dict): From ``prediction_dict``; may hold more keys.
    """
    text = json.dumps(prediction, indent=2, ensure_ascii=False)
    return _NUMBERS.sub(lambda m: f'[{" ".join(m[1].split())}]', text) + '\n'


def summarize_prediction(prediction: Mapping) -> str:
    """Describe meta-action, end of the plan and occupancy in a few lines.

    Args:
        prediction (Mapping): From ``prediction_dict``.
    """
    lines = _action_lines(prediction)
    if prediction['trajectory'] is not None:
        x, y = prediction['trajectory'][-1]
        lines.append(f'plan: {x:.1f} m ahead, {y:.1f} m left after 3 s')
    if prediction['occupancy'] is not None:
        voxels = prediction['occupancy']['voxels']
        occupied = sum(voxels.values()) - voxels['free']
        lines.append(f'occupancy: {occupied} voxels')
    return '\n'.join(lines)


def describe_plan(prediction: Mapping) -> str:
    """Describe meta-action, reasoning and each position of the plan.

    Args:
        prediction (Mapping): From ``prediction_dict``.
    """
    lines = _action_lines(prediction)
    if prediction['chain_of_thought']:
        lines.append(f'reasoning: {prediction["chain_of_thought"]}')
    if prediction['trajectory'] is None:
        return '\n'.join([*lines, 'plan: none, the model has no planner'])
    lines.append('plan (seconds: metres ahead, metres left):')
    for seconds, (x, y) in zip(
        prediction['seconds'], prediction['trajectory'], strict=True
    ):
        lines.append(f'  {seconds:.1f}: {x:6.2f}, {y:6.2f}')
    return '\n'.join(lines)


def _action_lines(prediction: Mapping) -> list[str]:
    """Describe the meta-action in one line, or none without it."""
    action = prediction['meta_action']
    if action is None:
        return []
    words = f'{action["speed"]}; {action["direction"]}'
    if action['speed'] is None:
        words = 'none that can be read'
    return [f'meta-action: {words}']


def _to_points(trajectory: Tensor) -> list[list[float]]:
    """Round a trajectory (T, 2) to plain numbers."""
    return [
        [round(metres, _DECIMALS) for metres in point]
        for point in trajectory.tolist()
    ]


def _list_candidates(ego: BaseDataElement) -> list[dict] | None:
    """List the scored trajectories of a planner, None without scores."""
    if 'scores' not in ego:
        return None
    return [
        {
            'score': round(score, _SCORE_DECIMALS),
            'trajectory': _to_points(traj),
        }
        for score, traj in zip(ego.scores.tolist(), ego.trajs, strict=True)
    ]


def _describe_action(pred: BaseDataElement | None) -> dict | None:
    """Convert ``pred_meta`` to words and probabilities."""
    if pred is None:
        return None
    speed, direction = int(pred.speed), int(pred.direction)
    return {
        'speed': None if speed == IGNORE else SPEEDS[speed],
        'direction': None if direction == IGNORE else DIRECTIONS[direction],
        'speed_probabilities': _by_word(SPEEDS, pred.get('speed_scores')),
        'direction_probabilities': _by_word(
            DIRECTIONS, pred.get('direction_scores')
        ),
    }


def _by_word(
    words: tuple[str, ...], scores: Tensor | None
) -> dict[str, float] | None:
    """Map words to their scores, None without scores."""
    if scores is None:
        return None
    return {
        word: round(score, _SCORE_DECIMALS)
        for word, score in zip(words, scores.tolist(), strict=True)
    }


def _count_voxels(semantics: Tensor) -> dict:
    """Count the voxels of each class."""
    counts = semantics.flatten().long().bincount(minlength=len(OCC3D_CLASSES))
    return {
        'shape': list(semantics.shape),
        'voxels': dict(zip(OCC3D_CLASSES, counts.tolist(), strict=True)),
    }
