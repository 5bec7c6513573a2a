import numpy as np
import pytest

from mmocc.datasets import RandomLight


def frame(token='a', epoch=0):
    rng = np.random.default_rng(0)
    images = [rng.integers(0, 256, (4, 5, 3), np.uint8) for _ in range(2)]
    return dict(token=token, draw=(0, epoch), img=images)


def test_all_views_get_one_factor_a_channel():
    before, after = frame(), RandomLight(gain=(0.9, 0.9), tint=0.0)(frame())
    for old, new in zip(before['img'], after['img'], strict=True):
        # By hand: 0.9 of each level, to the nearest whole one.
        np.testing.assert_array_equal(new, np.rint(0.9 * old.astype(float)))


def test_bright_pixels_saturate_and_do_not_wrap():
    after = RandomLight(gain=(1.2, 1.2), tint=0.0)(frame())
    for old, new in zip(frame()['img'], after['img'], strict=True):
        assert (new >= old).all()
        assert (new[old > 212] == 255).all()


@pytest.mark.parametrize('other', [dict(epoch=1), dict(token='b')])
def test_draws_depend_on_frame_and_epoch_alone(other):
    light = RandomLight()
    first, again = light(frame())['img'], light(frame())['img']
    np.testing.assert_array_equal(first, again)
    assert (first[0] != light(frame(**other))['img'][0]).any()
