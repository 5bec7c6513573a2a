import numpy as np
import pytest

from mmocc.projects.SyntheticNuScenes.synthetic.calibration import (
    CAMERA_RIG,
    pose_matrix,
)
from mmocc.projects.SyntheticNuScenes.synthetic.ground import ROAD, Ground
from mmocc.projects.SyntheticNuScenes.synthetic.light import (
    DAYLIGHT,
    WEATHERS,
    draw_light,
)
from mmocc.projects.SyntheticNuScenes.synthetic.presets import PRESETS
from mmocc.projects.SyntheticNuScenes.synthetic.raycast import build_scene
from mmocc.projects.SyntheticNuScenes.synthetic.render import make_look, render
from mmocc.projects.SyntheticNuScenes.synthetic.shapes import solid

SIZE = (160, 90)
EGO = np.array([50.0, 50.0, 0.0])


def front(weather, lamps=None):
    """The front camera on an empty asphalt plane."""
    ground = Ground((0.0, 0.0), 300.0)
    ground.codes[:] = ROAD
    far = np.stack([solid(0, (2, 2, 1), (1, 1, 1), (9, 9, 9))])
    scene = build_scene(far, (0.0, 0.0), 300.0)
    look = make_look(
        draw_light(np.random.default_rng(0), (weather,)),
        np.random.default_rng(1),
    )._replace(ego=EGO)
    if lamps is not None:
        look.light[8] = lamps
    camera = CAMERA_RIG[0]
    cam2global = pose_matrix(*EGO) @ camera.cam2ego()
    cam2img = camera.intrinsic(SIZE)
    return render(scene, ground, look, cam2global, cam2img, SIZE)[0]


def test_night_is_dark_but_not_black():
    day, night = front('clear').astype(float), front('night').astype(float)
    assert night[:30].mean() < 0.25 * day[:30].mean()  # the sky
    assert night[60:].mean() < 0.75 * day[60:].mean()  # the road
    assert night[60:].mean() > 20


def test_headlights_light_the_road_before_the_car():
    lit, unlit = front('night').astype(int), front('night', 0.0).astype(int)
    gain = (lit - unlit).mean(-1)
    assert (gain >= 0).all()
    near, middle = gain[70:, 70:90].mean(), gain[55:60, 70:90].mean()
    assert near > 10 and middle > 3
    assert gain[70:, :8].mean() < near  # the beam is narrow
    assert gain[:40].max() == 0  # and does not reach the sky


@pytest.mark.parametrize('weather', DAYLIGHT)
def test_by_day_no_lamps_are_lit(weather):
    assert draw_light(np.random.default_rng(0), (weather,)).lamps == 0


def test_only_full_has_nights():
    assert set(WEATHERS) - set(DAYLIGHT) == {'night'}
    nights = {name for name, p in PRESETS.items() if 'night' in p.weathers}
    assert nights == {'full'}
