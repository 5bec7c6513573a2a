import pytest
from mmocc_testing import make_occ_info

from mmocc.infos import (
    InfoFileError,
    InfoFrame,
    find_neighbours,
    find_scene,
    group_scenes,
)


@pytest.fixture
def infos():
    return [make_occ_info(s, k, 4) for s in range(2) for k in range(4)]


def test_scenes_keep_the_order_of_first_frames_and_of_time(infos):
    mixed = [infos[6], infos[1], infos[0], infos[4], infos[3], infos[2]]
    second, first = group_scenes(mixed)
    assert list(first.infos) == infos[:4]
    assert list(second.infos) == [infos[4], infos[6]]
    assert len(second) == 2
    assert first.name == infos[0]['scene_name']
    assert first.location == infos[0].get('location', '')
    assert [frame.frame_idx for frame in first.frames] == [0, 1, 2, 3]


def test_frames_without_scenes_are_refused(infos):
    del infos[2]['frame_idx']
    with pytest.raises(
        InfoFileError, match=r'a\.pkl: frame 2, .* lacks frame_idx.*create'
    ):
        group_scenes(infos, 'a.pkl')


def test_a_scene_is_found_by_name_and_by_token(infos):
    for key in ('scene_name', 'scene_token'):
        assert find_scene(infos[::-1], infos[5][key]) == infos[4:]
    with pytest.raises(InfoFileError, match="scene 'x'; it has"):
        find_scene(infos, 'x')


def test_neighbours_are_of_the_same_scene_nearest_first(infos):
    past = find_neighbours(infos[5], infos, 3, -1)
    assert past == [infos[4], None, None]
    assert find_neighbours(infos[5], infos[::-1], 2, 1) == infos[6:]
    plain = dict(token='a')
    assert find_neighbours(plain, infos, 2, 1) == [None, None]


def test_frame_names_a_missing_key_and_what_was_expected(infos):
    frame = InfoFrame(infos[0])
    assert 'ego.his_poses' in frame and 'ego.nothing' not in frame
    with pytest.raises(
        InfoFileError,
        match=r"no key 'ego.his_poses' \(array \(4, 3\)\).*create_data",
    ) as caught:
        _ = InfoFrame(dict(token='t')).his_poses
    assert 'sample t' in str(caught.value)


def test_frame_reads_what_the_file_holds(infos):
    frame = InfoFrame(infos[1])
    assert frame.token == infos[1]['token']
    assert frame.fut_poses.shape == (6, 3) and frame.fut_mask.dtype == bool
    assert frame.status_vector.shape == (7,)
    label = infos[1]['meta_action']
    assert (label and (label['speed'], label['direction'])) == (
        frame.meta_action
    )
    assert len(frame.his_meta_actions) == len(infos[1]['his_meta_actions'])
    assert [q.question for q in frame.questions] == [
        q['question'] for q in infos[1]['qa']
    ]
