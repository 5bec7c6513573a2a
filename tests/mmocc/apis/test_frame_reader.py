"""Frames of an info file with their past, and the scenes that they are of."""

import pytest
from mmocc_testing import write_tiny_dataset

from mmocc.apis import FrameReader, frame_with_past
from mmocc.infos import InfoFileError, load_info_file, write_info_file
from mmocc.structures import OCC3D_CLASSES

FILE = 'nuscenes_infos_occ_val.pkl'


@pytest.fixture
def reader(root):
    return FrameReader(root / FILE, 3)


def test_a_frame_brings_its_past(reader, infos, root):
    for frame in (reader[2], frame_with_past(infos, infos[2], 3, root)):
        tokens = [past and past['token'] for past in frame['history']]
        assert frame['token'] == infos[2]['token']
        assert tokens == [infos[1]['token'], infos[0]['token'], None]


def test_boxes_have_occ3d_ids_and_paths_can_be_opened(reader, infos, root):
    frame = reader[0]
    assert len(frame['instances']) == len(infos[0]['instances'])
    categories = load_info_file(root / FILE)['metainfo']['categories']
    names = {label: name for name, label in categories.items()}
    for box, old in zip(
        frame['instances'], infos[0]['instances'], strict=True
    ):
        name = names[old['bbox_label_3d']]
        assert box['bbox_label_3d'] == OCC3D_CLASSES.index(name)
    assert frame['occ_path'] == str(root / infos[0]['occ_path'])


@pytest.mark.parametrize('index', [-1, 3])
def test_a_place_that_is_not_there(reader, index):
    with pytest.raises(InfoFileError, match=f'no frame {index} .*0 to 2'):
        reader.find(index)
    with pytest.raises(IndexError):
        reader[index]


def test_frames_are_found_by_token(reader, infos):
    assert reader.find(token=infos[1]['token']) == 1
    with pytest.raises(InfoFileError, match=r"none of the 3 .*'x'.*--token"):
        reader.find(token='x')


def test_a_scene_is_in_order(root, infos, tmp_path):
    """Whatever the order of the file, and other scenes in it."""
    content = load_info_file(root / FILE)
    other = dict(infos[0], token='o', scene_name='o', scene_token='o', next='')
    content['data_list'] = [infos[2], other, infos[0], infos[1]]
    write_info_file(content, tmp_path / FILE)
    mixed = FrameReader(tmp_path / FILE)
    assert mixed.scene_of(0) == [2, 3, 0]
    assert mixed.scene_of(1) == [1]


def test_plain_files_are_one_scene(tmp_path):
    root = write_tiny_dataset(tmp_path)
    content = load_info_file(root / FILE)
    for info in content['data_list']:
        del info['scene_token'], info['scene_name']
    write_info_file(content, root / FILE)
    plain = FrameReader(root / FILE, 1)
    assert plain.scene_of(1) == [0, 1, 2]
    assert plain[1]['history'] == [None]
