"""occ, rayiou and forecast, from files to scores."""

import tracemalloc

import numpy as np
import pytest

from mmocc.evaluation.files import GridFileWriter, ResultFileError
from mmocc.evaluation.functional import (
    forecast_histograms,
    forecast_scores,
    occ_histogram,
    occ_scores,
    ray_counts,
    ray_scores,
)
from mmocc.evaluation.tasks import TASKS

CAR, ROAD, FREE = 4, 11, 17
SHAPE = (6, 5, 4)


def random_grids(seed, count=5, shape=SHAPE):
    rng = np.random.default_rng(seed)
    return rng.integers(0, 18, (count, *shape), dtype=np.uint8)


def write(path, grids, order=None, tokens=True, compressed=True, **arrays):
    order = np.arange(len(grids)) if order is None else np.array(order)
    if tokens:
        arrays['tokens'] = np.array([f't{i}' for i in order])
    save = np.savez_compressed if compressed else np.savez
    save(path, semantics=grids[order], **arrays)
    return path


@pytest.fixture
def paths(tmp_path):
    return tmp_path / 'pred.npz', tmp_path / 'truth.npz'


def without_counts(scores, *names):
    return {k: v for k, v in scores.items() if k not in names}


def test_occ_equals_the_functions(paths):
    pred, truth = random_grids(0), random_grids(1)
    masks = np.random.default_rng(2).random((2, 5, *SHAPE)) < 0.3
    write(paths[0], pred)
    write(paths[1], truth, mask_camera=masks[0], mask_lidar=masks[1])
    result = TASKS['occ'].evaluate(*paths, ['all'])
    expected = {
        'occ3d': occ_scores(occ_histogram(pred, truth, masks[0])),
        'opus': occ_scores(occ_histogram(pred, truth, masks[0]), 'drop'),
        'lidar': occ_scores(occ_histogram(pred, truth, masks[1])),
        'occworld': occ_scores(occ_histogram(pred, truth), 'occworld'),
        'all_voxels': occ_scores(occ_histogram(pred, truth)),
    }
    assert result.results.keys() == expected.keys()
    for name, scores in expected.items():
        found = result.results[name]
        assert found['frames'] == 5
        assert without_counts(found, 'frames', 'voxels') == scores
    assert result.results['occ3d']['voxels'] == masks[0].sum()
    assert result.about['opus']['absent'] == 'drop'


def test_occ_presets_by_default_follow_the_masks(paths):
    write(paths[0], random_grids(0))
    write(paths[1], random_grids(1))
    assert list(TASKS['occ'].evaluate(*paths).results) == ['all_voxels']
    write(paths[1], random_grids(1), mask_camera=np.ones((5, *SHAPE), bool))
    assert list(TASKS['occ'].evaluate(*paths).results) == [
        'occ3d',
        'all_voxels',
    ]


@pytest.mark.parametrize('compressed', [True, False])
def test_order_of_samples_does_not_matter(paths, compressed):
    pred, truth = random_grids(0), random_grids(1)
    write(paths[1], truth)
    found = []
    for order in (range(5), [3, 1, 4, 0, 2]):
        write(paths[0], pred, order, compressed=compressed)
        found.append(TASKS['occ'].evaluate(*paths).results)
    assert found[0] == found[1]


def test_truth_as_prediction_scores_100(paths):
    grids = random_grids(0)
    for path in paths:
        write(path, grids)
    scores = TASKS['occ'].evaluate(*paths).results['all_voxels']
    assert scores['mIoU'] == scores['IoU'] == 100


def test_unlabelled_truth_is_left_out(paths):
    truth = random_grids(1)
    truth[0, 0] = 255
    write(paths[0], random_grids(0))
    write(paths[1], truth)
    voxels = TASKS['occ'].evaluate(*paths).results['all_voxels']['voxels']
    assert voxels == truth.size - truth[0, 0].size


def peak_memory(paths, frames):
    """Bytes that evaluating so many frames holds at most."""
    grid = np.full((40, 40, 8), FREE, np.uint8)
    for path in paths:
        with GridFileWriter(path) as writer:
            for i in range(frames):
                # Backwards in the prediction: no streaming there.
                name = i if path == paths[1] else frames - i
                writer.add(f't{name if path == paths[1] else name - 1}', grid)
    tracemalloc.start()
    TASKS['occ'].evaluate(*paths)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return peak


def test_memory_does_not_depend_on_the_number_of_frames(paths):
    peak_memory(paths, 3)  # loads kernels
    few, many = peak_memory(paths, 300), peak_memory(paths, 900)
    # 600 more frames are 7.7 MB of grids on each side; their names stay.
    assert many - few < 500_000


BAD = [
    ('pred', {'semantics': np.zeros((5, 6, 5))}, r'\(5, 6, 5\), expected'),
    ('pred', {'semantics': np.zeros((5, *SHAPE))}, 'float64, expected'),
    ('pred', {'semantics': np.zeros((4, *SHAPE), int)}, '4 samples and'),
    (
        'pred',
        {'semantics': np.zeros((5, 2, 2, 2), int)},
        r'grids of \(2, 2, 2\), and .*truth.npz has \(6, 5, 4\)',
    ),
    (
        'pred',
        {'semantics': np.full((5, *SHAPE), 18)},
        r'pred.npz, field "semantics", sample number 0: holds the id 18',
    ),
    ('pred', {'semantics': np.full((5, *SHAPE), -1)}, 'holds the id -1'),
    # 273 would be car (4 + 256 + 13) in a byte that runs over.
    ('pred', {'semantics': np.full((5, *SHAPE), 273)}, 'holds the id 273'),
    ('pred', {'semantics': np.full((5, *SHAPE), 255)}, 'holds the id 255'),
    (
        'truth',
        {'semantics': np.full((5, *SHAPE), 100)},
        'truth.npz.*id 100, expected 0 to 17, or 255 for no label',
    ),
    ('pred', {'labels': np.zeros(5)}, r"pred.npz: lacks \['semantics'\]"),
    (
        'truth',
        {'semantics': random_grids(0), 'mask_camera': np.ones((5, 6, 5))},
        '"mask_camera": has shape',
    ),
    (
        'truth',
        {'semantics': random_grids(0), 'mask_camera': np.ones((5, *SHAPE))},
        '"mask_camera": is float64',
    ),
]


@pytest.mark.parametrize(('side', 'arrays', 'says'), BAD)
def test_bad_grids_are_named(paths, side, arrays, says):
    for path in paths:
        np.savez(path, semantics=random_grids(0))
    np.savez(paths[side == 'truth'], **arrays)
    with pytest.raises(ResultFileError, match=says):
        TASKS['occ'].evaluate(*paths)


def test_a_bad_id_names_the_token(paths):
    pred = random_grids(0)
    pred[3, 0, 0, 0] = 99
    write(paths[0], pred)
    write(paths[1], random_grids(1))
    with pytest.raises(ResultFileError, match='sample t3: holds the id 99'):
        TASKS['occ'].evaluate(*paths)


def test_missing_samples_are_listed(paths):
    write(paths[0], random_grids(0), [0, 1, 3])
    write(paths[1], random_grids(1))
    with pytest.raises(ResultFileError, match=r'lacks 2 of the 5.*t2, t4'):
        TASKS['occ'].evaluate(*paths)


def test_missing_masks_and_presets_are_named(paths):
    for path in paths:
        write(path, random_grids(0))
    with pytest.raises(ResultFileError, match='"mask_lidar": is missing'):
        TASKS['occ'].evaluate(*paths, ['lidar'])
    with pytest.raises(ValueError, match="'kitti', expected one of"):
        TASKS['occ'].evaluate(*paths, ['kitti'])


OCC3D = (200, 200, 16)
ORIGINS = np.array([[0.9, 0.0, 1.8], [5.0, 1.0, 1.8]])


@pytest.fixture(scope='module')
def rooms():
    """Two small worlds on Occ3D's grid, prediction and truth."""
    truth = np.full((2, *OCC3D), FREE, np.uint8)
    truth[:, :, :, 0] = ROAD
    truth[0, 120, 80:120, 1:8] = CAR
    truth[1, 80:120, 110, 1:8] = CAR
    return np.roll(truth, 2, axis=1), truth


def test_rayiou_equals_the_functions(paths, rooms):
    pred, truth = rooms
    with GridFileWriter(paths[0]) as writer:
        writer.add('b', pred[1])
        writer.add('a', pred[0])
    with GridFileWriter(paths[1]) as writer:
        writer.add('a', truth[0], origins=ORIGINS)
        writer.add('b', truth[1], origins=ORIGINS[:1])
    result = TASKS['rayiou'].evaluate(*paths).results['sparseocc']
    counts = ray_counts(pred[0], truth[0], ORIGINS)
    counts = counts + ray_counts(pred[1], truth[1], ORIGINS[:1])
    assert without_counts(result, 'frames', 'origins', 'rays') == (
        ray_scores(counts)
    )
    assert (result['frames'], result['origins']) == (2, 3)
    assert result['rays'] == counts[0].sum()


@pytest.mark.parametrize(
    ('origins', 'says'),
    [
        (None, '"origins": is missing'),
        (np.zeros((2, 3)), r'has shape \(2, 3\), expected \(2, K, 3\)'),
        (np.full((2, 1, 3), np.nan), 'sample number 0: must hold finite'),
        (np.full((2, 1, 3), np.inf), 'rows of NaN alone'),
    ],
)
def test_bad_origins_are_named(paths, rooms, origins, says):
    np.savez(paths[0], semantics=rooms[0])
    arrays = {} if origins is None else {'origins': origins}
    np.savez(paths[1], semantics=rooms[1], **arrays)
    with pytest.raises(ResultFileError, match=says):
        TASKS['rayiou'].evaluate(*paths)


def test_rays_need_occ3d_s_grid(paths):
    for path in paths:
        write(path, random_grids(0), origins=np.zeros((5, 1, 3)))
    with pytest.raises(ResultFileError, match=r"Occ3D's grid of \(200"):
        TASKS['rayiou'].evaluate(*paths)


def test_forecast_equals_the_functions(paths):
    pred, truth = (random_grids(i, 4, (3, *SHAPE)) for i in (0, 1))
    write(paths[0], pred, [2, 0, 1, 3], times_s=[1, 2, 3])
    write(paths[1], truth, times_s=[1, 2, 3])
    result = TASKS['forecast'].evaluate(*paths)
    total = sum(
        forecast_histograms(p, t) for p, t in zip(pred, truth, strict=True)
    )
    for name in ('occworld', 'sparseworld'):
        scores = result.results[name]
        assert scores.pop('windows') == 4
        assert scores == forecast_scores(total, (1, 2, 3), name)


def test_forecast_scores_copy_and_paste_beside_the_prediction(paths):
    truth = random_grids(1, 4, (5, *SHAPE))
    times = [0, 1, 1.5, 2, 3]
    write(paths[0], truth[:, [1, 3, 4]], times_s=[1, 2, 3])
    write(paths[1], truth, times_s=times)
    result = TASKS['forecast'].evaluate(*paths, ['sparseworld']).results
    assert result['sparseworld']['mIoU_avg'] == 100
    assert 'mIoU_1.5s' not in result['sparseworld']
    copied = result['sparseworld/copy_and_paste']
    expected = sum(
        forecast_histograms(np.stack([t[0]] * 4), t[1:]) for t in truth
    )
    assert without_counts(copied, 'windows') == forecast_scores(
        expected, times[1:], 'sparseworld'
    )


@pytest.mark.parametrize(
    ('side', 'arrays', 'says'),
    [
        ('pred', {}, r"lacks \['times_s'\]"),
        ('pred', {'times_s': [1, 2]}, 'times_s.*with .1.0, 2.0, 3.0. among'),
        ('pred', {'times_s': [1, 2, 3, 4]}, r'expected \(N, 4, X, Y, Z\)'),
        ('truth', {'times_s': [3, 2, 1]}, 'rising'),
    ],
)
def test_bad_times_are_named(paths, side, arrays, says):
    grids = random_grids(0, 2, (3, *SHAPE))
    for path in paths:
        np.savez(path, semantics=grids, times_s=[1, 2, 3])
    np.savez(paths[side == 'truth'], semantics=grids, **arrays)
    with pytest.raises(ResultFileError, match=says):
        TASKS['forecast'].evaluate(*paths)


def test_times_that_truth_lacks_are_named(paths):
    np.savez(
        paths[0],
        semantics=random_grids(0, 2, (4, *SHAPE)),
        times_s=[0.5, 1, 2, 3],
    )
    np.savez(
        paths[1], semantics=random_grids(0, 2, (3, *SHAPE)), times_s=[1, 2, 3]
    )
    with pytest.raises(ResultFileError, match=r'has \[0.5\] s, which'):
        TASKS['forecast'].evaluate(*paths)
