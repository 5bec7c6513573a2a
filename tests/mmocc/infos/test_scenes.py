import pytest
from mmocc_testing import make_occ_info

from mmocc.infos import (
    InfoFileError,
    InfoFrame,
    find_neighbours,
    find_scene,
    group_scenes,
)
from mmocc.infos.scenes import TIME_UNITS, SceneTimeline, time_unit


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
    del infos[2]['scene_token'], infos[2]['scene_name']
    with pytest.raises(
        InfoFileError, match=r'a\.pkl: frame 2, .* lacks scene_token.*create'
    ):
        group_scenes(infos, 'a.pkl')


def test_scenes_are_cut_by_recording_and_by_gaps_where_none_is_named(infos):
    for k, info in enumerate(infos):
        for key in ('scene_token', 'scene_name', 'frame_idx', 'prev', 'next'):
            del info[key]
        recording = 'n1-2018' if k < 4 else 'n2-2018'
        info['lidar_points']['lidar_path'] = f'{recording}__LIDAR_TOP__{k}.bin'
    infos[3]['timestamp'] += 0.5  # one frame was left out
    scenes = group_scenes(infos[::-1], 'a.pkl')
    assert [len(scene) for scene in scenes] == [4, 1, 3]
    assert scenes[0].token == 'n2-2018@0'
    assert list(scenes[2].infos) == infos[:3]
    infos[1]['lidar_points']['lidar_path'] = ''
    with pytest.raises(InfoFileError, match=r'frame 1, .*lidar_path'):
        group_scenes(infos, 'a.pkl')


@pytest.mark.parametrize(
    ('place', 'change', 'message'),
    [
        (2, dict(frame_idx=0), r'frame_idx 1, 0 in order of time'),
        (2, dict(timestamp=0.5), r'have the same time, 0\.5'),
        (2, dict(prev='{0}'), r'prev of sample .*which is frame 0 of'),
        (1, dict(next='{5}'), r'next of sample .*of scene .* expected'),
        (3, dict(timestamp=9e3), r'lasts from sample .* 9000 s'),
        (3, dict(timestamp=float('nan')), r'is nan, expected seconds'),
        (3, dict(token='{1}'), r'twice, as the frames 1 and 3'),
    ],
)
def test_frames_that_contradict_each_other_are_refused(
    infos, place, change, message
):
    tokens = [info['token'] for info in infos]
    for key, value in change.items():
        if isinstance(value, str):
            value = value.format(*tokens)
        infos[place][key] = value
    with pytest.raises(InfoFileError, match=message) as caught:
        group_scenes(infos, 'a.pkl')
    assert any(token in str(caught.value) for token in tokens)
    assert str(caught.value).startswith('a.pkl')


@pytest.mark.parametrize('unit', TIME_UNITS)
@pytest.mark.parametrize(('start', 'step'), [(1.5e9, 0.5), (0.0, 0.083)])
def test_units_of_time_are_recognised(unit, start, step):
    times = [TIME_UNITS[unit] * (start + step * k) for k in range(12)]
    assert time_unit(times[::-1]) == unit
    if start:
        assert time_unit(times[:1]) == unit


def test_sparse_frames_are_in_seconds_and_one_frame_tells_nothing():
    assert time_unit([1.5e9 + 40.0 * k for k in range(4)]) == 'seconds'
    assert time_unit([3.0], 'microseconds') == 'microseconds'
    assert time_unit([]) == 'seconds'


@pytest.mark.parametrize('unit', ['milliseconds', 'nanoseconds'])
def test_another_unit_of_time_is_named_with_scene_and_sample(infos, unit):
    for info in infos:
        info['timestamp'] = TIME_UNITS[unit] * (1.5e9 + info['timestamp'])
    with pytest.raises(InfoFileError, match=f'in {unit} as it seems') as error:
        group_scenes(infos, 'a.pkl')
    assert infos[0]['scene_name'] in str(error.value)
    assert infos[0]['token'] in str(error.value)


def test_neighbours_are_half_a_second_away_whatever_lies_between():
    infos = [make_occ_info(0, k, 30) for k in range(30)]
    for k, info in enumerate(infos):
        info['timestamp'] = k / 12  # interpolated frames
    timeline = SceneTimeline.read(infos[::-1], 'a.pkl')
    assert timeline.neighbours(9, 3, -1) == [15, 21, 27]
    infos = [make_occ_info(0, k, 8) for k in range(8)]
    del infos[5]
    infos[3]['timestamp'] += 0.1
    timeline = SceneTimeline.read(infos, 'a.pkl')
    assert timeline.neighbours(6, 4, -1) == [5, None, 4, 3]
    assert timeline.neighbours(3, 3, 1) == [4, None, 5]
    assert timeline.chosen([6, 3, 4]).neighbours(0, 4, -1) == [
        None,
        None,
        2,
        1,
    ]


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
