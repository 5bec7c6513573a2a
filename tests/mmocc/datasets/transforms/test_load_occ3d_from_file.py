import os
from pathlib import Path

import numpy as np
import pytest

from mmocc.datasets import LoadOcc3DFromFile, SampleError
from mmocc.structures import FREE

SHAPE = (200, 200, 16)


def write(folder, save=np.savez, **changes):
    arrays = {
        'semantics': np.full(SHAPE, FREE, dtype=np.uint8),
        'mask_camera': np.zeros(SHAPE, dtype=np.uint8),
        'mask_lidar': np.ones(SHAPE, dtype=np.uint8),
        **changes,
    }
    save(
        folder / 'labels.npz',
        **{key: array for key, array in arrays.items() if array is not None},
    )


def load(path):
    return LoadOcc3DFromFile()({'token': 'tok', 'occ_path': str(path)})


@pytest.mark.parametrize('name', ['', 'labels.npz'])
def test_label_is_found_by_file_or_folder(tmp_path, name):
    semantics = np.full(SHAPE, FREE, dtype=np.uint8)
    semantics[3, 5, 7] = 4
    write(tmp_path, semantics=semantics)
    results = load(tmp_path / name)
    assert results['voxel_semantics'].dtype == np.uint8
    assert np.argwhere(results['voxel_semantics'] == 4).tolist() == [[3, 5, 7]]
    assert results['mask_camera'].dtype == bool
    assert not results['mask_camera'].any() and results['mask_lidar'].all()


@pytest.mark.parametrize(
    ('changes', 'message'),
    [
        ({'semantics': np.full(SHAPE, 18, np.uint8)}, 'ids 18 to 18'),
        ({'semantics': np.full(SHAPE, -1, np.int64)}, 'ids -1 to -1'),
        ({'semantics': np.zeros((200, 200), np.uint8)}, r'shape \(200, 200\)'),
        ({'semantics': np.zeros(SHAPE, np.float32)}, 'type float32'),
        ({'mask_lidar': np.full(SHAPE, 2, np.uint8)}, 'mask_lidar'),
        ({'mask_camera': None}, 'mask_camera'),
        ({'semantics': np.full(SHAPE, None)}, 'not readable as plain arrays'),
    ],
    ids=['id', 'negative', 'shape', 'float', 'mask', 'absent', 'pickled'],
)
def test_wrong_content_is_named(tmp_path, changes, message):
    write(tmp_path, **changes)
    with pytest.raises(SampleError, match=message) as error:
        load(tmp_path)
    assert 'sample tok' in str(error.value)
    assert str(tmp_path / 'labels.npz') in str(error.value)


@pytest.mark.parametrize('keep', [0, 10, 5000])
def test_truncated_file_is_named(tmp_path, keep):
    write(tmp_path)
    path = tmp_path / 'labels.npz'
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(SampleError, match='not readable') as error:
        load(tmp_path)
    assert str(path) in str(error.value)


def _in_stream(content):
    """Bytes that no compressed stream holds."""
    middle = len(content) // 2
    return content[:middle] + b'\xff' * 40 + content[middle + 40 :]


def _in_directory(content):
    """A way to compress that nobody knows."""
    method = content.index(b'PK\x01\x02') + 10
    return content[:method] + b'\x63' + content[method + 1 :]


def _in_header(content):
    """A shape whose bracket never closes."""
    return content.replace(b'(200, ', b'((200,', 1)


@pytest.mark.parametrize(
    ('save', 'damage'),
    [
        (np.savez_compressed, _in_stream),
        (np.savez, _in_directory),
        (np.savez, _in_header),
    ],
)
def test_damaged_file_is_named(tmp_path, save, damage):
    write(tmp_path, save, semantics=np.arange(640_000).reshape(SHAPE) % 18)
    path = tmp_path / 'labels.npz'
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(SampleError, match='not readable') as error:
        load(tmp_path)
    assert str(path) in str(error.value)


def test_missing_file_and_missing_key_tell_the_way_out(tmp_path):
    with pytest.raises(SampleError, match='no such file') as error:
        load(tmp_path)
    assert 'gts' in str(error.value) and str(tmp_path) in str(error.value)
    with pytest.raises(SampleError, match='occ_path'):
        LoadOcc3DFromFile()({'token': 'tok'})


def test_real_label_passes_the_checks():
    folder = os.environ.get('MMOCC_REAL_DATA')
    if not folder:
        pytest.skip('MMOCC_REAL_DATA does not name a folder of real samples')
    results = load(Path(folder) / 'occ3d_labels.npz')
    # Facts of this file: 6.1 % occupied, camera mask inside LiDAR mask.
    occupied = (results['voxel_semantics'] != FREE).mean()
    assert occupied == pytest.approx(0.061, abs=5e-4)
    assert not (results['mask_camera'] & ~results['mask_lidar']).any()
