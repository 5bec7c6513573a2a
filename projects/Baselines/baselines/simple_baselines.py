"""Baselines that never look at an image, fitted on the training split.

Each baseline is fitted on the training split alone and scored on another
split with the functions that score models, under the same names, so that a
report can print both side by side:

* occupancy: each voxel's most frequent class inside ``mask_camera``;
* plan: constant velocity; beside it, constant turn rate;
* meta-action: the most frequent pair;
* answers: the most frequent one of each question type; beside it, of each
  question text, which tells how far the wording alone goes.

Frames come from info files. Labels are read through a function of the caller,
one at a time and only while they are needed.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from mmocc.evaluation.functional.meta_action import (
    meta_action_indices,
    meta_action_scores,
    meta_action_table,
)
from mmocc.evaluation.functional.occ import (
    NUM_CLASSES,
    UNLABELLED,
    AbsentRule,
    occ_histogram,
    occ_report,
)
from mmocc.evaluation.functional.planning import (
    SampleRule,
    planning_scores,
    planning_sums,
)
from mmocc.evaluation.functional.qa import (
    AnsweredQuestion,
    qa_counts,
    qa_scores,
)
from mmocc.infos import InfoFrame
from mmocc.structures import FREE, META_ACTIONS, DrivingQA, MetaAction
from mmocc.structures.occ3d import NUM_FUTURE, STEP_SECONDS

FUTURE_SECONDS = STEP_SECONDS * np.arange(1, NUM_FUTURE + 1)


class OccLabel(NamedTuple):
    """One frame's label: ids and camera mask, both (X, Y, Z)."""

    semantics: np.ndarray
    mask_camera: np.ndarray


@dataclass(frozen=True)
class FrameTruth:
    """The ground truth of one frame, in the canonical ego frame.

    Attributes:
        token (str): The sample's token.
        his_poses (np.ndarray): (4, 3) x, y, yaw at -2.0 .. -0.5 s.
        his_mask (np.ndarray): (4,) bool.
        fut_trajs (np.ndarray): (6, 2) x, y at 0.5 .. 3.0 s.
        fut_mask (np.ndarray): (6,) bool.
        status (Mapping[str, float]): The ego status in SI units, NaN where
            not known.
        meta_action (MetaAction, optional): None where there is no label.
        questions (Sequence[DrivingQA]): Closed questions.
        load_label (Callable, optional): Reads the occupancy label.
    """

    token: str
    his_poses: np.ndarray
    his_mask: np.ndarray
    fut_trajs: np.ndarray
    fut_mask: np.ndarray
    status: Mapping[str, float]
    meta_action: MetaAction | None = None
    questions: Sequence[DrivingQA] = ()
    load_label: Callable[[], OccLabel] | None = None

    @classmethod
    def from_info(
        cls,
        info: Mapping[str, Any],
        load_label: Callable[[str], Mapping[str, np.ndarray]],
    ) -> 'FrameTruth':
        """Read one entry of an info file's ``data_list``.

        Args:
            info (Mapping): The entry.
            load_label (Callable): From an entry's ``occ_path`` to the arrays
                ``semantics`` and ``mask_camera``.
        """
        frame = InfoFrame(info)

        def load() -> OccLabel:
            arrays = load_label(frame.occ_path)
            return OccLabel(arrays['semantics'], arrays['mask_camera'])

        return cls(
            token=frame.token,
            his_poses=frame.his_poses,
            his_mask=frame.his_mask,
            fut_trajs=frame.fut_poses[:, :2],
            fut_mask=frame.fut_mask,
            status=frame.status,
            meta_action=(
                frame.meta_action if 'meta_action' in frame else None
            ),
            questions=frame.questions if 'qa' in frame else (),
            load_label=load if frame.occ_path else None,
        )


def class_prior(labels: Iterable[OccLabel]) -> np.ndarray | None:
    """Find the most frequent class of each voxel, where cameras see it.

    Counts are taken inside ``mask_camera``. Ties go to the lower id; a voxel
    that no frame observed is free.

    Returns:
        np.ndarray or None: (X, Y, Z) uint8; None without any label. Counting
        takes 72 bytes a voxel, 46 MB on Occ3D's grid.
    """
    counts = None
    for semantics, mask_camera in labels:
        if counts is None:
            counts = np.zeros((semantics.size, NUM_CLASSES), dtype=np.int32)
            shape = semantics.shape
        if not semantics.shape == mask_camera.shape == shape:
            raise ValueError(
                f'a label has semantics of {semantics.shape} and a camera '
                f'mask of {mask_camera.shape}, expected {shape} as in the '
                'labels before'
            )
        seen = np.flatnonzero(mask_camera)
        ids = semantics.reshape(-1)[seen]
        labelled = ids != UNLABELLED
        counts[seen[labelled], ids[labelled]] += 1
    if counts is None:
        return None
    prior = counts.argmax(axis=1).astype(np.uint8)
    prior[counts.max(axis=1) == 0] = FREE
    return prior.reshape(shape)


def majority_meta_action(
    actions: Iterable[MetaAction | None],
) -> MetaAction | None:
    """Return the most frequent pair; ties go to the vocabulary's order."""
    counts = Counter(action for action in actions if action is not None)
    if not counts:
        return None
    return max(META_ACTIONS, key=lambda action: counts[action])


def majority_answers(
    questions: Iterable[DrivingQA], key: Callable[[DrivingQA], str]
) -> dict[str, str]:
    """Find the most frequent answer of each group of questions.

    Args:
        questions (Iterable[DrivingQA]): With their answers.
        key (Callable): The group of a question.

    Returns:
        dict: From group to answer; ties go to the alphabetically first.
    """
    counts: defaultdict[str, Counter] = defaultdict(Counter)
    for question in questions:
        counts[key(question)][question.answer] += 1
    return {
        group: min(answers, key=lambda answer: (-answers[answer], answer))
        for group, answers in counts.items()
    }


def ego_motion(frame: FrameTruth) -> tuple[float, float, float]:
    """Estimate velocity x, y (m/s) and yaw rate (rad/s) at t = 0.

    Each comes from the ego status; where that is unknown, from the step
    between the last history pose (-0.5 s) and now; where that is missing too,
    it is 0.
    """
    x, y, yaw = frame.his_poses[-1] if frame.his_mask[-1] else np.zeros(3)
    # Now is x = y = yaw = 0 by definition of the frame.
    from_history = -np.array([x, y, yaw]) / STEP_SECONDS
    status = [frame.status[name] for name in ('vx', 'vy', 'yaw_rate')]
    if not np.isfinite(status[:2]).all():
        status[:2] = from_history[:2]
    if not np.isfinite(status[2]):
        status[2] = from_history[2]
    return tuple(float(value) for value in status)


def drive_on(velocity: np.ndarray) -> np.ndarray:
    """Extrapolate velocities (..., 2) m/s to positions (..., 6, 2) metres."""
    return velocity[..., None, :] * FUTURE_SECONDS[:, None]


def constant_velocity(frame: FrameTruth) -> np.ndarray:
    """Plan (6, 2) metres with the current velocity unchanged."""
    vx, vy, _ = ego_motion(frame)
    return drive_on(np.array([vx, vy]))


def constant_turn_rate(frame: FrameTruth) -> np.ndarray:
    """Plan (6, 2) metres with current speed and yaw rate unchanged.

    The path is an arc that leaves the origin along the present velocity.
    """
    vx, vy, yaw_rate = ego_motion(frame)
    half_turn = yaw_rate * FUTURE_SECONDS / 2
    # Chord of an arc: length v t sinc(w t / 2), turned by w t / 2.
    chord = FUTURE_SECONDS * np.sinc(half_turn / np.pi)
    cos, sin = np.cos(half_turn), np.sin(half_turn)
    return np.stack(
        [chord * (cos * vx - sin * vy), chord * (sin * vx + cos * vy)], axis=-1
    )


@dataclass(frozen=True)
class Baselines:
    """The fitted baselines of a training split.

    Attributes:
        prior (np.ndarray, optional): See :func:`class_prior`.
        meta_action (MetaAction, optional): The majority pair.
        answer_of_type (Mapping[str, str]): Majority answer per question type.
        answer_of_text (Mapping[str, str]): The same per question text.
    """

    prior: np.ndarray | None
    meta_action: MetaAction | None
    answer_of_type: Mapping[str, str]
    answer_of_text: Mapping[str, str]


def _question_type(question: DrivingQA) -> str:
    return question.template_type


def _question_text(question: DrivingQA) -> str:
    return question.question


def fit_baselines(train: Sequence[FrameTruth]) -> Baselines:
    """Fit every baseline on the frames of the training split."""
    questions = [q for frame in train for q in frame.questions]
    return Baselines(
        prior=class_prior(
            frame.load_label() for frame in train if frame.load_label
        ),
        meta_action=majority_meta_action(f.meta_action for f in train),
        answer_of_type=majority_answers(questions, _question_type),
        answer_of_text=majority_answers(questions, _question_text),
    )


def score_baselines(
    baselines: Baselines,
    frames: Sequence[FrameTruth],
    absent: AbsentRule = 'official',
    samples: SampleRule = 'complete_only',
) -> dict[str, float]:
    """Score fitted baselines on another split.

    Args:
        baselines (Baselines): Fitted on the training split.
        frames (Sequence[FrameTruth]): The evaluated split.
        absent (str): ``OccMetric``'s option. Defaults to 'official'.
        samples (str): ``PlanningMetric``'s option. Defaults to
            'complete_only'.

    Returns:
        dict: The names of the metrics: ``occ/...`` of the class prior,
        ``plan/...`` of constant velocity, ``meta/...`` of the majority pair,
        ``qa/...`` of the majority answer per type. Then
        ``constant_turn_rate/...``, like ``plan/...``, and
        ``answer_by_text/...``, like ``qa/...``. Tasks without a label in
        either split are left out.
    """
    scores: dict[str, float] = {}

    def add(prefix: str, figures: Mapping[str, float]) -> None:
        scores.update(
            {f'{prefix}/{name}': value for name, value in figures.items()}
        )

    labelled = [frame for frame in frames if frame.load_label]
    if baselines.prior is not None and labelled:
        add('occ', _score_prior(baselines.prior, labelled, absent))
    if frames:
        for prefix, plan in (
            ('plan', constant_velocity),
            ('constant_turn_rate', constant_turn_rate),
        ):
            sums = planning_sums(
                np.stack([plan(frame) for frame in frames]),
                np.stack([frame.fut_trajs for frame in frames]),
                np.stack([frame.fut_mask for frame in frames]),
            )
            add(prefix, planning_scores(sums, samples))
    if baselines.meta_action is not None:
        truth = meta_action_indices([frame.meta_action for frame in frames])
        guess = meta_action_indices([baselines.meta_action] * len(frames))
        add('meta', meta_action_scores(meta_action_table(guess, truth)))
    questions = [q for frame in frames for q in frame.questions]
    if baselines.answer_of_type and questions:
        by_type = [
            baselines.answer_of_type.get(q.template_type, '')
            for q in questions
        ]
        by_text = [
            baselines.answer_of_text.get(q.question, answer)
            for q, answer in zip(questions, by_type, strict=True)
        ]
        add('qa', _score_answers(questions, by_type))
        add('answer_by_text', _score_answers(questions, by_text))
    return scores


def _score_prior(
    prior: np.ndarray, frames: Sequence[FrameTruth], absent: AbsentRule
) -> dict[str, float]:
    """Score the class prior inside the camera mask and without a mask."""
    histograms = {'camera': 0, 'none': 0}
    for frame in frames:
        semantics, mask_camera = frame.load_label()
        try:
            seen = occ_histogram(prior, semantics, mask_camera)
            everywhere = occ_histogram(prior, semantics)
        except ValueError as error:
            raise ValueError(
                f'label of frame {frame.token}: {error}'
            ) from error
        histograms['camera'] += seen
        histograms['none'] += everywhere
    return occ_report(histograms, absent) | {'frames': len(frames)}


def _score_answers(
    questions: Sequence[DrivingQA], answers: Sequence[str]
) -> dict[str, float]:
    """Compute accuracies of one answer for each question."""
    return qa_scores(
        qa_counts(
            AnsweredQuestion(q.template_type, q.num_hop, q.answer, answer)
            for q, answer in zip(questions, answers, strict=True)
        )
    )
