"""The benchmark of loading measures what it names; no times here."""

import cv2
import numpy as np
import pytest


@pytest.fixture(scope='module')
def loading(load_tool):
    return load_tool('projects/Benchmarks/tools/benchmark_loading.py')


@pytest.fixture
def images(tmp_path):
    paths = [tmp_path / f'{number}.jpg' for number in range(2)]
    for number, path in enumerate(paths):
        grey = np.full((900, 1600, 3), 60 * number, np.uint8)
        grey[:, :, 0] += np.linspace(0, 150, 1600).astype(np.uint8)
        cv2.imwrite(str(path), grey)
    return paths


def test_both_ways_of_decoding_give_nearly_the_same_pixels(loading, images):
    found = loading.measure_decoding(images, repeats=1)
    assert found['images'] == 2 and found['on_disk'] == (1600, 900)
    assert set(found['rows']) == {'in full', 'reduced'}
    assert found['mean_difference'] < 1


def test_the_stream_does_not_end(loading):
    stream = loading.endless([1, 2])
    assert [next(stream) for _ in range(5)] == [1, 2, 1, 2, 1]
