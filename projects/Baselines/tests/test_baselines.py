"""Baselines on worlds small enough to work out by hand."""

import numpy as np
import pytest

from mmocc.projects.Baselines.baselines.simple_baselines import (
    FrameTruth,
    OccLabel,
    class_prior,
    constant_turn_rate,
    constant_velocity,
    fit_baselines,
    majority_answers,
    majority_meta_action,
    score_baselines,
)
from mmocc.structures import DrivingQA, MetaAction

CAR, ROAD, FREE = 4, 11, 17
NAN = float('nan')
UNKNOWN = {'vx': NAN, 'vy': NAN, 'yaw_rate': NAN}
STRAIGHT = MetaAction('Maintain speed', 'Go Straight')
LEFT = MetaAction('Accelerate', 'Turn Left')


def frame(**changes):
    values = {
        'token': 'a',
        'his_poses': np.zeros((4, 3)),
        'his_mask': np.zeros(4, dtype=bool),
        'fut_trajs': np.zeros((6, 2)),
        'fut_mask': np.ones(6, dtype=bool),
        'status': UNKNOWN,
    }
    return FrameTruth(**(values | changes))


def label(semantics, mask):
    return OccLabel(
        np.array(semantics, dtype=np.uint8), np.array(mask, dtype=bool)
    )


def test_prior_counts_observed_voxels_only():
    prior = class_prior(
        [
            label([CAR, CAR, CAR, 255], [1, 1, 0, 1]),
            label([CAR, ROAD, CAR, 255], [1, 1, 0, 1]),
            label([FREE, ROAD, CAR, 255], [1, 1, 0, 1]),
        ]
    )
    # Car 2 of 3; road 2 of 3; never observed; never labelled.
    assert prior.tolist() == [CAR, ROAD, FREE, FREE]
    assert prior.dtype == np.uint8


def test_prior_keeps_the_grid_and_breaks_ties_downwards():
    prior = class_prior(
        [label([[ROAD], [FREE]], [[1], [1]]), label([[CAR], [2]], [[1], [1]])]
    )
    assert prior.tolist() == [[CAR], [2]]


def test_prior_of_nothing_is_nothing():
    assert class_prior([]) is None


def test_prior_refuses_labels_of_different_grids():
    with pytest.raises(ValueError, match=r'semantics of \(2,\)'):
        class_prior([label([CAR], [1]), label([CAR, CAR], [1, 1])])


def test_majority_pair_ignores_unlabelled_frames():
    assert majority_meta_action([None, LEFT, None, LEFT, STRAIGHT]) == LEFT
    assert majority_meta_action([LEFT, STRAIGHT]) == STRAIGHT
    assert majority_meta_action([None]) is None


def test_majority_answer_of_each_group():
    questions = [
        DrivingQA('a', 'yes', template_type='exist'),
        DrivingQA('b', 'no', template_type='exist'),
        DrivingQA('c', 'no', template_type='exist'),
        DrivingQA('d', '2', template_type='count'),
        DrivingQA('d', '1', template_type='count'),
    ]
    answers = majority_answers(questions, lambda q: q.template_type)
    assert answers == {'exist': 'no', 'count': '1'}


def test_constant_velocity_comes_from_the_status_first():
    plan = constant_velocity(
        frame(
            status={'vx': 4.0, 'vy': -1.0, 'yaw_rate': 0.5},
            his_poses=np.full((4, 3), -100.0),
            his_mask=np.ones(4, dtype=bool),
        )
    )
    assert plan[0].tolist() == [2.0, -0.5]
    assert plan[5].tolist() == [12.0, -3.0]


def test_constant_velocity_falls_back_to_the_last_step():
    history = np.full((4, 3), 50.0)
    history[3] = [-2.0, 1.0, 0.0]
    plan = constant_velocity(
        frame(his_poses=history, his_mask=np.array([0, 0, 0, 1], dtype=bool))
    )
    # From (-2, 1) to the origin in 0.5 s: 4 and -2 m/s.
    assert plan[1].tolist() == [4.0, -2.0]
    nothing = constant_velocity(frame(his_poses=history))
    assert (nothing == 0).all()


def test_constant_turn_rate_drives_a_circle_to_the_left():
    # Speed 2 m/s and 90 degrees in 3 s: a quarter circle.
    rate = np.pi / 6
    plan = constant_turn_rate(
        frame(status={'vx': 2.0, 'vy': 0.0, 'yaw_rate': rate})
    )
    radius = 2.0 / rate
    centre = np.array([0.0, radius])
    assert np.allclose(np.linalg.norm(plan - centre, axis=1), radius)
    assert np.allclose(plan[5], [radius, radius])


def test_constant_turn_rate_without_turning_is_constant_velocity():
    straight = frame(status={'vx': 3.0, 'vy': 0.2, 'yaw_rate': 0.0})
    assert np.allclose(
        constant_turn_rate(straight), constant_velocity(straight)
    )


def test_turn_rate_falls_back_to_the_last_step():
    history = np.zeros((4, 3))
    history[3, 2] = -0.1
    turning = frame(
        status={'vx': 5.0, 'vy': 0.0, 'yaw_rate': NAN},
        his_poses=history,
        his_mask=np.ones(4, dtype=bool),
    )
    known = frame(status={'vx': 5.0, 'vy': 0.0, 'yaw_rate': 0.2})
    assert np.allclose(constant_turn_rate(turning), constant_turn_rate(known))


def test_future_does_not_reach_the_plans():
    driven = frame(status={'vx': 1.0, 'vy': 0.0, 'yaw_rate': 0.1})
    other = frame(status=driven.status, fut_trajs=np.full((6, 2), 99.0))
    for plan in (constant_velocity, constant_turn_rate):
        assert (plan(driven) == plan(other)).all()


def make_split(answers, actions, semantics):
    return [
        frame(
            token=str(index),
            status={'vx': 2.0, 'vy': 0.0, 'yaw_rate': 0.0},
            fut_trajs=np.stack([np.arange(1, 7), np.ones(6)], axis=-1),
            meta_action=action,
            questions=[DrivingQA('Any?', answer, 'qa', 'exist', 0)],
            load_label=lambda grid=grid: label(grid, [1, 1, 0]),
        )
        for index, (answer, action, grid) in enumerate(
            zip(answers, actions, semantics, strict=True)
        )
    ]


def test_scores_carry_the_metrics_names():
    train = make_split(
        ['no', 'no', 'yes'],
        [LEFT, LEFT, STRAIGHT],
        [[CAR, ROAD, CAR]] * 2 + [[FREE, ROAD, CAR]],
    )
    val = make_split(
        ['no', 'yes'],
        [LEFT, STRAIGHT],
        [[CAR, ROAD, CAR], [CAR, CAR, CAR]],
    )
    scores = score_baselines(fit_baselines(train), val)
    # Prior: car, road, free. In the mask 2 of 3 cars and 1 road, one car
    # called road: car 2/3, road 1/2.
    assert scores['occ/mIoU'] == pytest.approx(100 * (2 / 3 + 1 / 2) / 2)
    # Everywhere two more cars, called free: 2/5.
    assert scores['occ/mIoU_all_voxels'] == pytest.approx(45.0)
    assert scores['occ/frames'] == 2
    # Constant velocity is 1 m to the side of the truth at each step.
    assert scores['plan/L2_mean_avg'] == pytest.approx(1.0)
    assert scores['constant_turn_rate/L2_mean_avg'] == pytest.approx(1.0)
    assert scores['plan/samples'] == 2
    assert scores['meta/joint'] == scores['meta/speed'] == 50.0
    assert scores['qa/overall'] == scores['qa/exist'] == 50.0
    assert scores['answer_by_text/overall'] == 50.0


def test_question_text_beats_the_type_where_wording_tells():
    def ask(question, answer):
        return DrivingQA(question, answer, 'qa', 'exist', 0)

    train = [frame(questions=[ask('a', 'yes'), ask('b', 'no')])]
    val = [frame(questions=[ask('a', 'yes'), ask('b', 'no'), ask('c', 'no')])]
    scores = score_baselines(fit_baselines(train), val)
    assert scores['qa/overall'] == pytest.approx(200 / 3)
    assert scores['answer_by_text/overall'] == 100.0


def test_tasks_without_labels_are_left_out():
    scores = score_baselines(fit_baselines([frame()]), [frame()])
    assert {name.split('/')[0] for name in scores} == {
        'plan',
        'constant_turn_rate',
    }


def test_label_of_another_grid_is_named():
    train = [frame(load_label=lambda: label([CAR], [1]))]
    val = [frame(token='b', load_label=lambda: label([CAR, CAR], [1, 1]))]
    with pytest.raises(ValueError, match='label of frame b'):
        score_baselines(fit_baselines(train), val)


def test_frames_are_read_from_an_info_entry():
    asked = []

    def load_label(path):
        asked.append(path)
        return label([CAR], [1])._asdict() | {'mask_lidar': None}

    info = {
        'token': 'b',
        'ego': {
            'his_poses': np.zeros((4, 3)),
            'his_mask': np.zeros(4, dtype=bool),
            'fut_poses': np.arange(18).reshape(6, 3),
            'fut_mask': np.ones(6, dtype=bool),
            'status': UNKNOWN,
            'command': -1,
        },
        'meta_action': {
            'speed': 'Accelerate',
            'direction': 'Turn Left',
            'source': 'rule',
            'confidence': 1.0,
        },
        'occ_path': 'gts/scene/b/labels.npz',
        'qa': [
            {
                'question': 'How many?',
                'answer': 3,
                'template_type': 'count',
                'num_hop': 1,
            }
        ],
    }
    truth = FrameTruth.from_info(info, load_label)
    assert truth.fut_trajs.tolist() == [
        [3 * step, 3 * step + 1] for step in range(6)
    ]
    assert truth.meta_action == LEFT
    assert truth.questions[0] == DrivingQA('How many?', '3', 'qa', 'count', 1)
    assert asked == []
    assert truth.load_label().semantics.tolist() == [CAR]
    assert asked == ['gts/scene/b/labels.npz']
    bare = FrameTruth.from_info(
        info | {'meta_action': None, 'occ_path': ''}, load_label
    )
    assert bare.meta_action is None
    assert bare.load_label is None
