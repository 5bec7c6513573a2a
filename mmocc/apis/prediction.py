"""Predictions as plain values, for JSON."""

import json
import re

from torch import Tensor

from mmocc.structures import (
    DIRECTIONS,
    OCC3D_CLASSES,
    SPEEDS,
    OccDataSample,
)
from mmocc.structures.occ3d import STEP_SECONDS

# 0.01 mm and 0.0001 %: beyond what any number here means.
_DECIMALS = 5
_SCORE_DECIMALS = 6

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
        - ``meta_action``: ``speed``, ``direction`` (the likeliest pair), and
          ``speed_probabilities``, ``direction_probabilities`` by word (of
          either part alone);
        - ``chain_of_thought``: The reasoning, which ends in the action;
        - ``questions``, ``answers``: Lists of text in the same order; the
          answer to the meta-action question is the chain of thought;
        - ``occupancy``: ``shape`` and ``voxels``, a count by class name, or
          None without an occupancy head.
    """
    meta = sample.metainfo
    decision = sample.pred_meta
    trajectory = semantics = None
    if 'pred_ego' in sample:
        trajectory = [
            [round(metres, _DECIMALS) for metres in point]
            for point in sample.pred_ego.trajs[0].tolist()
        ]
    if 'pred_occ' in sample:
        semantics = sample.pred_occ.semantics
    return {
        'token': meta['token'],
        'scene_name': meta['scene_name'],
        'frame_idx': meta['frame_idx'],
        'trajectory': trajectory,
        'seconds': [
            STEP_SECONDS * (step + 1) for step in range(len(trajectory or ()))
        ],
        'meta_action': {
            'speed': SPEEDS[int(decision.speed)],
            'direction': DIRECTIONS[int(decision.direction)],
            'speed_probabilities': _by_word(SPEEDS, decision.speed_scores),
            'direction_probabilities': _by_word(
                DIRECTIONS, decision.direction_scores
            ),
        },
        'chain_of_thought': decision.text,
        'questions': [q.question for q in sample.gt_text.questions],
        'answers': list(sample.pred_text.answers),
        'occupancy': None if semantics is None else _count(semantics),
    }


def prediction_json(prediction: dict) -> str:
    """Indented JSON that keeps each point on one line.

    Args:
        prediction (dict): From ``prediction_dict``, and anything beside it.
    """
    text = json.dumps(prediction, indent=2, ensure_ascii=False)
    return _NUMBERS.sub(lambda m: f'[{" ".join(m[1].split())}]', text) + '\n'


def _by_word(words: tuple[str, ...], scores: Tensor) -> dict[str, float]:
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
