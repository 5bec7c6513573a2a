"""Frames as they come: the results of frames with their past, and cheaper."""

import cv2
import numpy as np
import pytest
import torch

from mmocc.apis import (
    SceneStream,
    frame_with_past,
    info_frame,
)
from mmocc.apis.given_images import GivenImages, ViewMemory
from mmocc.datasets import SampleError
from mmocc.infos import find_scene


def assert_same(first, second):
    for key in ('trajs', 'scores'):
        torch.testing.assert_close(
            first.pred_ego.get(key),
            second.pred_ego.get(key),
            rtol=0,
            atol=1e-5,
        )
    assert first.pred_text.answers == second.pred_text.answers
    different = first.pred_occ.semantics != second.pred_occ.semantics
    assert different.float().mean() <= 1e-4


@pytest.fixture(scope='module')
def frames(infos, root):
    return [info_frame(info, root) for info in find_scene(infos, 'scene-0002')]


@pytest.fixture(scope='module')
def apart(sparse_inferencer, infos, root):
    """Predictions on each frame with its past brought along."""
    return sparse_inferencer.predict(
        [frame_with_past(infos, info, 1, root) for info in infos], 'Is it?'
    )


def test_a_stream_predicts_what_frames_with_their_past_do(
    sparse_inferencer, frames, apart, monkeypatch
):
    """Each image is read once and goes through the backbone once."""
    loaded, looked = [], []
    load = GivenImages._load_anew
    extract = sparse_inferencer.model.extract_feat
    monkeypatch.setattr(
        GivenImages,
        '_load_anew',
        lambda self, *view: loaded.append(view) or load(self, *view),
    )
    monkeypatch.setattr(
        sparse_inferencer.model,
        'extract_feat',
        lambda imgs: looked.append(imgs.shape[1]) or extract(imgs),
    )
    stream = SceneStream(sparse_inferencer)
    together = list(stream.run(frames, 'Is it?'))
    assert len(together) == len(apart) == 3
    for one, other in zip(together, apart, strict=True):
        assert_same(one, other)
    # Or else the comparison would show nothing.
    moved = together[0].pred_ego.trajs - together[1].pred_ego.trajs
    assert moved.abs().max() > 1e-3
    assert len(loaded) == 3 * 6 and looked == [6, 6, 6]


def test_a_missing_frame_is_a_gap(sparse_inferencer, frames, infos, root):
    """The frame itself stands in, as where an info file lacks one."""
    stream = SceneStream(sparse_inferencer)
    stream.step(frames[0], [])
    got = stream.step(frames[2], [])
    left = [infos[0], infos[2]]
    [expected] = sparse_inferencer.predict(
        [frame_with_past(left, left[1], 1, root)], []
    )
    assert_same(got, expected)


def test_another_scene_starts_anew(sparse_inferencer, frames):
    stream = SceneStream(sparse_inferencer)
    stream.step(frames[0], [])
    other = {**frames[1], 'scene_token': 'other'}
    [alone] = sparse_inferencer.predict([frames[1]], [])
    assert_same(stream.step(other, []), alone)


def test_the_stream_goes_on_behind_a_broken_frame(
    sparse_inferencer, frames, tmp_path
):
    broken = dict(frames[1], images=dict(frames[1]['images']))
    broken['images']['CAM_BACK'] = dict(
        broken['images']['CAM_BACK'], img_path=str(tmp_path / 'gone.jpg')
    )
    stream = SceneStream(sparse_inferencer)
    stream.step(frames[0], [])
    with pytest.raises(SampleError, match=r'CAM_BACK, .*gone\.jpg'):
        stream.step(broken, [])
    [alone] = sparse_inferencer.predict([frames[2]], [])
    assert_same(stream.step(frames[2], []), alone)


def test_frames_out_of_order_are_refused(sparse_inferencer, frames):
    stream = SceneStream(sparse_inferencer)
    stream.step(frames[1], [])
    with pytest.raises(SampleError, match=r'frame 0 of .* after frame 1'):
        stream.step(frames[0], [])


def test_a_pose_that_is_not_a_number_is_refused(sparse_inferencer, frames):
    pose = np.full((4, 4), np.nan)
    stream = SceneStream(sparse_inferencer)
    with pytest.raises(SampleError, match='ego2global of the car'):
        stream.step({**frames[0], 'ego2global': pose}, [])


def test_models_without_a_past_stream_as_well(inferencer, frames):
    expected = inferencer.predict(frames[:2], [])
    got = list(SceneStream(inferencer).run(frames[:2], []))
    for one, other in zip(got, expected, strict=True):
        torch.testing.assert_close(one.pred_ego.trajs, other.pred_ego.trajs)


def test_views_are_told_apart_by_what_they_are(tmp_path):
    """Cameras may write each moment to the same file."""
    path = tmp_path / 'front.png'
    loader, memory = GivenImages(size=(4, 4)), ViewMemory()
    loader.memory = memory
    views, means = [{'img_path': str(path)} for _ in range(2)], []
    for view, grey in zip(views, (10, 200), strict=True):
        cv2.imwrite(str(path), np.full((4, 4, 3), grey, np.uint8))
        means.append(loader._load('t', 'CAM', view)[0].mean())
    means += [loader._load('t', 'CAM', view)[0].mean() for view in views]
    assert means == [10, 200, 10, 200]
    memory.keep_only(views[1:])
    assert memory.get(views[0]) is None and memory.get(views[1]) is not None
