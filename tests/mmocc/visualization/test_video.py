"""Videos appear whole or not at all."""

import resource
from contextlib import contextmanager

import cv2
import numpy as np
import pytest
from PIL import Image

from mmocc.visualization import VideoError, video, write_video
from mmocc.visualization.drawing import write_png

COLOURS = [(200, 30, 30), (30, 200, 30), (30, 30, 200)]


@pytest.fixture
def pictures(tmp_path):
    return [
        write_png(
            np.full((60, 100, 3), colour, dtype=np.uint8),
            tmp_path / 'pages' / f'{index}.png',
        )
        for index, colour in enumerate(COLOURS)
    ]


@pytest.fixture
def warnings(monkeypatch):
    said = []
    logger = type(
        'Logger', (), {'warning': lambda self, text: said.append(text)}
    )
    monkeypatch.setattr(video.MMLogger, 'get_current_instance', logger)
    return said


@contextmanager
def full_disk(kilobytes):
    """No file grows beyond this."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (kilobytes * 1024, limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)


def read(path):
    """Frames (H, W, 3) RGB of a video."""
    if path.suffix == '.gif':
        with Image.open(path) as image:
            frames = []
            for index in range(image.n_frames):
                image.seek(index)
                frames.append(np.asarray(image.convert('RGB')))
            return frames
    capture, frames = cv2.VideoCapture(str(path)), []
    while True:
        there, frame = capture.read()
        if not there:
            return frames
        frames.append(frame[..., ::-1])


def assert_shows(path, colours):
    frames = read(path)
    assert len(frames) == len(colours)
    for frame, colour in zip(frames, colours, strict=True):
        assert np.abs(frame[30, 50].astype(int) - colour).max() < 25


@pytest.mark.parametrize('name', ['a.mp4', 'deep/a.gif'])
def test_pictures_come_in_order(name, pictures, tmp_path):
    path = tmp_path / name
    assert write_video(pictures, path) == 3
    assert_shows(path, COLOURS)
    assert [file.name for file in path.parent.glob('a*')] == [path.name]


def test_gif_shows_a_picture_each_half_second(pictures, tmp_path):
    write_video(pictures, tmp_path / 'a.gif')
    with Image.open(tmp_path / 'a.gif') as image:
        assert image.info['duration'] == 500


@pytest.mark.parametrize('codec', video.CODECS)
def test_each_codec_alone_will_do(codec, pictures, tmp_path, monkeypatch):
    monkeypatch.setattr(video, 'CODECS', (codec,))
    write_video(pictures, tmp_path / 'a.mp4')
    assert_shows(tmp_path / 'a.mp4', COLOURS)


@pytest.mark.parametrize('suffix', ['mp4', 'gif'])
def test_missing_and_broken_pictures_are_skipped_with_a_warning(
    suffix, pictures, tmp_path, warnings
):
    pictures[0].unlink()
    pictures[1].write_bytes(pictures[1].read_bytes()[:60])
    path = tmp_path / f'a.{suffix}'
    assert write_video(pictures, path) == 1
    assert_shows(path, COLOURS[2:])
    assert len(warnings) == 2
    assert all(
        str(name) in text
        for name, text in zip(pictures, warnings, strict=False)
    )


def test_pictures_of_different_sizes_are_filled_up(pictures, tmp_path):
    write_png(np.full((91, 151, 3), 9, np.uint8), pictures[1])
    write_video(pictures, tmp_path / 'a.gif')
    frames = read(tmp_path / 'a.gif')
    assert [frame.shape for frame in frames] == [(92, 152, 3)] * 3
    assert (frames[0][70, 120] == 255).all()
    assert (frames[1][70, 120] == 9).all()


def test_wide_pictures_shrink(pictures, tmp_path):
    write_video(pictures, tmp_path / 'a.gif', width=50)
    assert read(tmp_path / 'a.gif')[0].shape == (30, 50, 3)


@pytest.mark.parametrize('suffix', ['mp4', 'gif'])
def test_full_disk_leaves_the_old_video_and_no_scrap(suffix, tmp_path):
    noise = np.random.default_rng(0).integers(
        0, 256, (4, 200, 300, 3), dtype=np.uint8
    )
    pictures = [
        write_png(image, tmp_path / f'{index}.png')
        for index, image in enumerate(noise)
    ]
    path = tmp_path / 'out' / f'a.{suffix}'
    path.parent.mkdir()
    path.write_bytes(b'of before')
    with full_disk(40), pytest.raises(VideoError, match='make room on the di'):
        write_video(pictures, path)
    assert path.read_bytes() == b'of before'
    assert list(path.parent.iterdir()) == [path]


def test_nothing_to_show(tmp_path, warnings):
    with pytest.raises(VideoError, match='none of the 1 pictures'):
        write_video([tmp_path / 'no.png'], tmp_path / 'a.mp4')
    assert list(tmp_path.iterdir()) == []


def test_other_formats_are_refused(pictures, tmp_path):
    with pytest.raises(ValueError, match=r'\.mp4 or \.gif'):
        write_video(pictures, tmp_path / 'a.avi')
