"""Plans and their ground truth, through files and back."""

from dataclasses import replace

import numpy as np
import pytest

from mmocc.evaluation.files import (
    NpzFile,
    PlanFiles,
    ResultFileError,
    write_plan_truth,
    write_plans,
)
from mmocc.evaluation.functional import Agents, MapLines, PlanSample

TOKENS = ['a', 'b', 'c']


def agents(count):
    rng = np.random.default_rng(count)
    return Agents(
        category=np.array(['vehicle.car', 'human.pedestrian.adult'])[
            np.arange(count) % 2
        ],
        size=rng.uniform(1, 4, (count, 2)),
        now=rng.normal(size=(count, 3)),
        future=rng.normal(size=(count, 6, 3)),
        future_mask=rng.random((count, 6)) < 0.5,
        has_points=rng.random((count, 6)) < 0.5,
        recently_seen=rng.random(count) < 0.5,
    )


def samples():
    rng = np.random.default_rng(0)
    made = []
    for place, _ in enumerate(TOKENS):
        outline = rng.normal(size=(4, 2))
        made.append(
            PlanSample(
                plan=rng.normal(size=(6, 2)),
                truth=rng.normal(size=(6, 2)),
                mask=np.arange(6) < 4 + place,
                plan_yaw=rng.normal(size=6),
                truth_yaw=rng.normal(size=6),
                agents=agents(place * 2),
                drivable=MapLines([outline] * place, [False] * place),
                boundary=MapLines([outline[:2], outline], [False, False]),
                frame_idx=place,
                scene_length=40,
            )
        )
    return made


@pytest.fixture
def paths(tmp_path):
    return tmp_path / 'pred.npz', tmp_path / 'truth.npz'


def read(paths):
    with NpzFile(paths[0]) as pred, NpzFile(paths[1]) as truth:
        return PlanFiles(pred, truth)


def write(paths, made, order=(0, 1, 2), **settings):
    plans = np.stack([made[i].plan for i in order])
    yaws = np.stack([made[i].plan_yaw for i in order])
    write_plans(paths[0], [TOKENS[i] for i in order], plans, yaws, **settings)
    write_plan_truth(paths[1], TOKENS, made)


def same(one, other):
    if one is None or other is None:
        return one is other
    if isinstance(one, np.ndarray):
        return np.array_equal(one, other, equal_nan=one.dtype.kind == 'f')
    if isinstance(one, Agents | MapLines | PlanSample):
        return all(
            same(getattr(one, name), getattr(other, name))
            for name in one.__dataclass_fields__
        )
    if isinstance(one, list):
        return len(one) == len(other) and all(map(same, one, other))
    return one == other


def test_samples_survive_the_files_and_are_joined_by_token(paths):
    made = samples()
    write(paths, made, order=(2, 0, 1), ego_status='none', command='none')
    files = read(paths)
    assert files.names == TOKENS
    assert len(files) == 3
    for one, other in zip(files, made, strict=True):
        assert same(one, other)
    assert files.about == {
        'ego_status': 'none',
        'command': 'none',
        'frame': 'ego',
        'headings': 'in both files',
    }


def test_arrays_that_are_stored_column_by_column_are_read(paths):
    made = samples()
    turned = [
        replace(
            sample,
            truth=np.asfortranarray(sample.truth),
            agents=replace(
                sample.agents, size=np.asfortranarray(sample.agents.size)
            ),
        )
        for sample in made
    ]
    write(paths, turned)
    with np.load(paths[1]) as arrays:
        assert all(values.flags.c_contiguous for values in arrays.values())
        columns = {k: np.array(v, order='F') for k, v in arrays.items()}
    assert all(map(same, read(paths), made))
    np.savez(paths[1], **columns)
    assert all(map(same, read(paths), made))


def test_what_is_not_stated_is_called_so(paths):
    np.savez(paths[0], trajs=np.zeros((2, 6, 2)))
    np.savez(paths[1], trajs=np.ones((2, 6, 2)), mask=np.ones((2, 6)))
    files = read(paths)
    assert files.about['ego_status'] == 'not stated'
    assert files.about['headings'] == 'not in both files'
    sample = files.sample(1)
    assert sample.frame_idx == sample.scene_length == -1
    assert sample.agents is sample.drivable is sample.plan_yaw is None


def test_lidar_axes_are_turned_to_forward_and_left(paths):
    # x right, y forward: 3 to the right and 20 ahead.
    place = np.tile([3.0, 20.0], (1, 6, 1))
    np.savez(
        paths[0], trajs=place, frame='lidar', yaws=np.full((1, 6), np.pi / 2)
    )
    np.savez(
        paths[1],
        trajs=place,
        mask=np.ones((1, 6), bool),
        frame='lidar',
        agent_counts=[1],
        agent_category=['vehicle.car'],
        agent_size=[[4.0, 2.0]],
        agent_now=[[3.0, 20.0, np.pi]],
        agent_future=np.tile([3.0, 20.0, np.pi], (1, 6, 1)),
        agent_future_mask=np.ones((1, 6), bool),
        boundary_counts=[1],
        boundary_sizes=[2],
        boundary_points=[[3.0, 20.0], [0.0, 1.0]],
    )
    sample = read(paths).sample(0)
    assert sample.frame == 'lidar'
    assert sample.plan[0].tolist() == sample.truth[0].tolist() == [20.0, -3.0]
    assert sample.plan_yaw[0] == 0
    assert sample.agents.now[0] == pytest.approx([20.0, -3.0, np.pi / 2])
    assert sample.agents.future[0, 5, :2].tolist() == [20.0, -3.0]
    assert sample.boundary.lines[0].tolist() == [[20.0, -3.0], [1.0, 0.0]]


def test_unparsed_plans_are_none_and_may_be_nan(paths):
    made = samples()
    plans = np.stack([sample.plan for sample in made])
    plans[1] = np.nan
    write_plans(paths[0], TOKENS, plans, valid=[True, False, True])
    write_plan_truth(paths[1], TOKENS, made)
    files = read(paths)
    assert files.sample(1).plan is None
    assert files.sample(2).plan is not None


def broken(change):
    """Arrays of a good pair of files, changed."""
    pred = {'tokens': np.array(TOKENS), 'trajs': np.zeros((3, 6, 2))}
    truth = {
        'tokens': np.array(TOKENS),
        'trajs': np.ones((3, 6, 2)),
        'mask': np.ones((3, 6), bool),
        'agent_counts': np.array([1, 0, 1]),
        'agent_category': np.array(['vehicle.car'] * 2),
        'agent_size': np.ones((2, 2)),
        'agent_now': np.zeros((2, 3)),
        'agent_future': np.zeros((2, 6, 3)),
        'agent_future_mask': np.ones((2, 6), bool),
        'drivable_counts': np.array([0, 1, 0]),
        'drivable_sizes': np.array([3]),
        'drivable_points': np.zeros((3, 2)),
    }
    side, field, value = change
    arrays = pred if side == 'pred' else truth
    if value is None:
        del arrays[field]
    else:
        arrays[field] = value
    return pred, truth


NAN_PLAN = np.zeros((3, 6, 2))
NAN_PLAN[1, 4, 0] = np.nan


@pytest.mark.parametrize(
    ('change', 'says'),
    [
        (
            ('pred', 'trajs', NAN_PLAN),
            r'pred.npz, field "trajs", sample b: is NaN or infinite \(1 of 3',
        ),
        (
            ('truth', 'trajs', NAN_PLAN),
            r'truth.npz, field "trajs", sample b: .*mask declares valid',
        ),
        (('pred', 'trajs', np.zeros((3, 5, 2))), r'\(3, 5, 2\), expected'),
        (('pred', 'trajs', np.zeros((3, 12))), r'expected \(3, 6, 2\)'),
        (('pred', 'trajs', np.full((3, 6, 2), 'x')), 'expected numbers'),
        (('pred', 'trajs', None), r"pred.npz: lacks \['trajs'\]"),
        (('truth', 'mask', None), r"truth.npz: lacks \['mask'\]"),
        (('truth', 'mask', np.ones((3, 5))), r'field "mask": has shape'),
        (('truth', 'mask', np.full((3, 6), 2)), 'True and False'),
        (('pred', 'valid', np.ones(2)), r'"valid": has shape \(2,\)'),
        (('pred', 'yaws', np.full((3, 6), np.nan)), '"yaws", sample a'),
        (
            ('truth', 'yaws', np.full((3, 6), np.inf)),
            '"yaws", sample a: .*mask',
        ),
        (('pred', 'frame', np.array('imu')), "'imu', expected one of"),
        (('truth', 'frame', np.array('lidar')), "'ego', but .*'lidar'"),
        (('truth', 'frame_idx', np.zeros(3)), '"frame_idx": is float64'),
        (('truth', 'agent_size', None), 'agent_size'),
        (('truth', 'agent_size', np.ones((3, 2))), 'expected 2 rows'),
        (('truth', 'agent_size', np.zeros((2, 2))), 'sample a.*positive'),
        (('truth', 'agent_counts', np.array([1, 0, -1])), 'than counts'),
        (('truth', 'agent_counts', np.array([2, 0, 1])), 'expected 3 rows'),
        (('truth', 'agent_category', np.array(['x', 'y'])), 'categories'),
        (('truth', 'drivable_sizes', np.array([4])), 'expected 4 rows'),
        (('truth', 'drivable_points', np.zeros((3, 3))), r'\(K, 2\) finite'),
    ],
)
def test_what_is_wrong_is_named(paths, change, says):
    for path, arrays in zip(paths, broken(change), strict=True):
        np.savez(path, **arrays)
    with pytest.raises(ResultFileError, match=says):
        read(paths)


def test_good_files_are_read(paths):
    for path, arrays in zip(
        paths, broken(('pred', 'frame', np.array('ego'))), strict=True
    ):
        np.savez(path, **arrays)
    assert [len(sample.agents.category) for sample in read(paths)] == [1, 0, 1]


def test_the_writer_refuses_other_frames_and_counts(paths):
    with pytest.raises(ValueError, match='2 tokens and 3 samples'):
        write_plan_truth(paths[1], TOKENS[:2], samples())
    lidar = [
        PlanSample(np.zeros((6, 2)), np.zeros((6, 2)), np.ones(6), 'lidar')
    ]
    with pytest.raises(ValueError, match="frame 'ego'"):
        write_plan_truth(paths[1], ['a'], lidar)
