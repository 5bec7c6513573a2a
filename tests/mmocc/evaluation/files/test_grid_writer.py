"""What the writer writes, NumPy and the reader read."""

import numpy as np
import pytest

from mmocc.evaluation.files import GridFileWriter, NpzFile

FREE = 17


def grid(value=FREE, shape=(2, 3, 2)):
    return np.full(shape, value, dtype=np.int64)


def test_numpy_reads_what_was_written(tmp_path):
    path = tmp_path / 'deep' / 'truth.npz'
    with GridFileWriter(path) as writer:
        for i in range(3):
            writer.add(
                f'token{i}',
                grid(i),
                mask_camera=np.eye(2, 3, dtype=np.uint8)[..., None].repeat(
                    2, -1
                ),
                mask_lidar=np.ones((2, 3, 2)),
                origins=np.ones((i + 1, 3)),
            )
    with np.load(path, allow_pickle=False) as arrays:
        assert arrays['semantics'].dtype == np.uint8
        assert arrays['semantics'][:, 0, 0, 0].tolist() == [0, 1, 2]
        assert arrays['mask_camera'].dtype == bool
        assert arrays['mask_camera'][0, 1, 0].tolist() == [False, False]
        assert arrays['mask_lidar'].all()
        assert arrays['tokens'].tolist() == ['token0', 'token1', 'token2']
        origins = arrays['origins']
        assert origins.shape == (3, 8, 3)
        assert np.isfinite(origins).all(-1).sum(-1).tolist() == [1, 2, 3]
    assert [p.name for p in path.parent.iterdir()] == ['truth.npz']


def test_the_reader_streams_it(tmp_path):
    path = tmp_path / 'pred.npz'
    with GridFileWriter(path, times_s=(1, 2, 3)) as writer:
        for i in range(4):
            writer.add(f't{i}', np.stack([grid(i)] * 3))
    with NpzFile(path) as file:
        assert file.array('times_s').tolist() == [1, 2, 3]
        source = file.frames('semantics')
        assert source.shape == (3, 2, 3, 2)
        assert [int(source[i].max()) for i in range(4)] == [0, 1, 2, 3]
        file.finish()


def test_an_error_leaves_no_file(tmp_path):
    path = tmp_path / 'pred.npz'
    with pytest.raises(RuntimeError), GridFileWriter(path) as writer:
        writer.add('a', grid())
        raise RuntimeError('the model failed')
    assert list(tmp_path.iterdir()) == []


def test_nothing_added_is_an_error(tmp_path):
    with (
        pytest.raises(ValueError, match='no frame was added'),
        GridFileWriter(tmp_path / 'pred.npz'),
    ):
        pass
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ('arguments', 'error', 'says'),
    [
        (('a', grid()), ValueError, "'a' is empty or was added before"),
        (('', grid()), ValueError, 'is empty'),
        (('b', grid(18)), ValueError, 'hold the id 18'),
        (('b', grid(-1)), ValueError, 'hold the id -1'),
        (('b', grid(300)), ValueError, 'hold the id 300'),
        (('b', grid() / 1.0), TypeError, 'float64'),
        (('b', grid(shape=(2, 2, 2))), ValueError, r'before have \(2, 3, 2\)'),
        (('b', grid(), grid(1)), ValueError, 'the frames before have'),
        (
            ('b', grid(), None, None, np.ones((1, 3))),
            ValueError,
            'all frames or none',
        ),
    ],
)
def test_bad_frames_are_refused(tmp_path, arguments, error, says):
    with (
        pytest.raises(error, match=says),
        GridFileWriter(tmp_path / 'pred.npz') as writer,
    ):
        writer.add('a', grid(255))
        writer.add(*arguments)


@pytest.mark.parametrize(
    'origins',
    [np.ones(3), np.ones((9, 3)), np.ones((0, 3)), np.full((1, 3), np.nan)],
)
def test_bad_origins_are_refused(tmp_path, origins):
    with (
        pytest.raises(ValueError, match='ray origins of a'),
        GridFileWriter(tmp_path / 'truth.npz') as writer,
    ):
        writer.add('a', grid(), origins=origins)


def test_forecasts_need_a_grid_for_each_time(tmp_path):
    with (
        pytest.raises(ValueError, match='2 grids for 3 times'),
        GridFileWriter(tmp_path / 'pred.npz', (1, 2, 3)) as writer,
    ):
        writer.add('a', np.stack([grid()] * 2))
