"""The control: another scene's images, everything else as it was."""

import pickle

import pytest
from mmocc_testing import make_occ_info, wrap_infos

from mmocc.infos import load_info_file


@pytest.fixture
def tool(load_tool):
    return load_tool('misc/swap_images.py')


def frames(lengths):
    return [
        make_occ_info(scene, frame, length)
        for scene, length in enumerate(lengths)
        for frame in range(length)
    ]


@pytest.mark.parametrize(
    ('lengths', 'words'),
    [(None, 'the info file .* cannot be read'), ((3,), 'got 1 scene')],
)
def test_what_cannot_be_swapped_is_one_line(
    tool, monkeypatch, tmp_path, lengths, words
):
    infos, out = tmp_path / 'infos.pkl', tmp_path / 'out.pkl'
    if lengths is not None:
        infos.write_bytes(pickle.dumps(wrap_infos(frames(lengths))))
    monkeypatch.setattr('sys.argv', ['x', str(infos), '--out', str(out)])
    with pytest.raises(SystemExit, match=f'^error: {words}'):
        tool.main()
    assert not out.exists()


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
