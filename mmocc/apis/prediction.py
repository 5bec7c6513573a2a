"""Predictions as plain values, for JSON."""

import json
import re

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

# 0.01 mm and 0.0001 %: beyond what any number here means.
_DECIMALS = 5
_SCORE_DECIMALS = 6

# The task of ``DrivingQA`` whose answer is the reasoning.
META_ACTION = 'meta_action'

# An array of numbers alone. Line breaks inside text are escaped in JSON, so
# this matches no text.
_NUMBERS = re.compile(r'\[\n\s*([-+.\deE,\s]+?)\n\s*\]')


def prediction_dict(sample: OccDataSample) -> dict:
    """What a model predicts for a frame, in plain Python values.

    Args:
        sample (OccDataSample): With predictions; a part that the model does
            not have is None.

    Returns:
        dict: ``token``, ``scene_name``, ``frame_idx``;

        - ``trajectory``: six [x, y] in metres, ego frame, at 0.5 .. 3.0 s
          (``seconds``), or None without a planner;
        - ``candidates``: all trajectories that the planner refined, the best
          (``trajectory``) first, each with its ``score``, a logit; None where
          there is one without a score;
        - ``meta_action``: ``speed``, ``direction`` (the likeliest pair, or
          the one that was written, None where that is no legal pair), and
          ``speed_probabilities``, ``direction_probabilities`` by word (of
          either part alone), None of models that write; None without a
          language model;
        - ``chain_of_thought``: The reasoning, which ends in the action;
        - ``questions``, ``answers``: Lists of text in the same order; the
          answer to the meta-action question is the chain of thought;
        - ``occupancy``: ``shape`` and ``voxels``, a count by class name, or
          None without an occupancy head;
        - ``forecast``: the same for each step of ``seconds`` to come, or None
          without a forecaster.
    """
    meta = sample.metainfo
    trajectory = candidates = occupancy = forecast = None
    if 'pred_ego' in sample:
        candidates = _candidates(sample.pred_ego)
        trajectory = _points(sample.pred_ego.trajs[0])
    if 'pred_occ' in sample:
        occupancy = _count(sample.pred_occ.semantics)
        if 'future_semantics' in sample.pred_occ:
            forecast = [_count(s) for s in sample.pred_occ.future_semantics]
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
        'meta_action': (
            _meta_action(sample.pred_meta) if 'pred_meta' in sample else None
        ),
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
    """Indented JSON that keeps each point on one line.

    Args:
        prediction (dict): From ``prediction_dict``, and anything beside it.
    """
    text = json.dumps(prediction, indent=2, ensure_ascii=False)
    return _NUMBERS.sub(lambda m: f'[{" ".join(m[1].split())}]', text) + '\n'


def _points(trajectory: Tensor) -> list[list[float]]:
    return [
        [round(metres, _DECIMALS) for metres in point]
        for point in trajectory.tolist()
    ]


def _candidates(ego: BaseDataElement) -> list[dict] | None:
    if 'scores' not in ego:
        return None
    return [
        {'score': round(score, _SCORE_DECIMALS), 'trajectory': _points(traj)}
        for score, traj in zip(ego.scores.tolist(), ego.trajs, strict=True)
    ]


def _meta_action(decision: BaseDataElement) -> dict:
    speed, direction = int(decision.speed), int(decision.direction)
    return {
        'speed': None if speed == IGNORE else SPEEDS[speed],
        'direction': None if direction == IGNORE else DIRECTIONS[direction],
        'speed_probabilities': _by_word(SPEEDS, decision.get('speed_scores')),
        'direction_probabilities': _by_word(
            DIRECTIONS, decision.get('direction_scores')
        ),
    }


def _by_word(
    words: tuple[str, ...], scores: Tensor | None
) -> dict[str, float] | None:
    if scores is None:
        return None
    return {
        word: round(score, _SCORE_DECIMALS)
        for word, score in zip(words, scores.tolist(), strict=True)
    }


def _count(semantics: Tensor) -> dict:
    counts = semantics.flatten().long().bincount(minlength=len(OCC3D_CLASSES))
    return {
        'shape': list(semantics.shape),
        'voxels': dict(zip(OCC3D_CLASSES, counts.tolist(), strict=True)),
    }
