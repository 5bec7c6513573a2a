"""The control: another scene's images, everything else as it was."""

import pickle

import pytest

from mmocc.testing import make_occ_info, wrap_infos
from mmocc.utils.info_file import load_info_file


@pytest.fixture
def tool(load_tool):
    return load_tool('misc/swap_images.py')


def frames(lengths):
    return [
        make_occ_info(scene, frame, length)
        for scene, length in enumerate(lengths)
        for frame in range(length)
    ]


def test_images_come_from_the_next_scene(tool):
    infos = frames((3, 2))
    swapped = tool.swap_images(infos)
    donors = [3, 4, 3, 0, 1]  # the third frame starts over in the short scene
    for info, own, donor in zip(swapped, infos, donors, strict=True):
        assert info['images'] == infos[donor]['images']
        for key in own.keys() - {'images'}:
            assert info[key] is own[key]
    assert infos[0]['images'] != swapped[0]['images']


def test_one_scene_is_refused(tool):
    with pytest.raises(ValueError, match='another scene is needed'):
        tool.swap_images(frames((3,)))


def test_the_command_writes_an_info_file(tool, tmp_path, monkeypatch):
    source, target = tmp_path / 'val.pkl', tmp_path / 'control.pkl'
    source.write_bytes(pickle.dumps(wrap_infos(frames((1, 1)))))
    monkeypatch.setattr(
        'sys.argv', ['swap_images.py', str(source), '--out', str(target)]
    )
    tool.main()
    before = load_info_file(source)['data_list']
    after = load_info_file(target)['data_list']
    assert after[0]['token'] == before[0]['token']
    assert (
        after[0]['images']['CAM_FRONT']['img_path']
        == before[1]['images']['CAM_FRONT']['img_path']
    )
