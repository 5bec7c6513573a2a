"""One frame of an info file with its past, or a scene in order."""

import pytest

from mmocc.apis import frame_at, scene_infos
from mmocc.infos import InfoFileError


def test_a_frame_brings_its_past(infos, root):
    frame = frame_at(infos, 2, 3, root)
    tokens = [past and past['token'] for past in frame['history']]
    assert frame['token'] == infos[2]['token']
    assert tokens == [infos[1]['token'], infos[0]['token'], None]


@pytest.mark.parametrize('index', [-1, 3])
def test_a_place_that_is_not_there(infos, root, index):
    with pytest.raises(InfoFileError, match=f'no frame {index} .*0 to 2'):
        frame_at(infos, index, 0, root)


def test_a_scene_is_in_order(infos):
    other = dict(infos[0], scene_name='other', scene_token='other')
    mixed = [infos[2], other, infos[0], infos[1]]
    name, token = infos[0]['scene_name'], infos[0]['scene_token']
    for scene in (name, token):
        found = [info['token'] for info in scene_infos(mixed, scene)]
        assert found == [info['token'] for info in infos]
    with pytest.raises(InfoFileError, match=r"scene 'x'.*other"):
        scene_infos(mixed, 'x')
