"""Text, arrangement and files."""

import cv2
import numpy as np
import pytest

from mmocc.visualization.drawing import (
    GAP,
    Label,
    below,
    beside,
    blank,
    fit_text,
    legend,
    text_width,
    with_caption,
    wrap_text,
    write_labels,
    write_png,
)

RED, BLUE = (255, 0, 0), (0, 0, 255)


def test_text_lands_where_it_is_asked_for():
    empty = blank(100, 40)
    image = write_labels(empty, [Label('X', 60, 20, colour=RED, anchor='mm')])
    rows, columns = np.nonzero((image != 255).any(axis=2))
    assert abs(columns.mean() - 60) < 2
    assert abs(rows.mean() - 20) < 3
    assert (empty == 255).all()


def test_wrapped_lines_fit_and_lose_no_word():
    text = 'one two three four five six ' + 'seven' * 20
    for bold in (False, True):
        lines = wrap_text(text, 14, 120, bold)
        assert max(text_width(line, 14, bold) for line in lines) <= 120
        assert ''.join(lines).replace(' ', '') == text.replace(' ', '')


def test_wrapping_keeps_line_breaks():
    assert wrap_text('one\n\ntwo', 14, 200) == ['one', '', 'two']


def test_cut_text_fits_and_says_so():
    assert fit_text('short', 14, 200) == 'short'
    cut = fit_text('a rather long line of text', 14, 80)
    assert cut.endswith('…')
    assert text_width(cut, 14) <= 80


def test_pictures_stand_beside_and_below_each_other():
    red, blue = blank(10, 20, RED), blank(30, 5, BLUE)
    row = beside([red, blue])
    assert row.shape == (20, 10 + GAP + 30, 3)
    assert (row[:5, 10 + GAP :] == BLUE).all()
    assert (row[5:, 10:] == 255).all()
    column = below([red, blue])
    assert column.shape == (20 + GAP + 5, 30, 3)
    assert (column[:20, :10] == RED).all()
    assert (column[20 + GAP :] == BLUE).all()


def test_caption_stands_above_the_untouched_picture():
    picture = blank(200, 10, BLUE)
    whole = with_caption(picture, 'Caption', 'a note that is far too long')
    assert (whole[-10:] == BLUE).all()
    assert (whole[:-10] < 128).any()


def test_legend_shows_each_colour_and_breaks_rows():
    entries = [('first', RED), ('second', BLUE)]
    wide, narrow = legend(entries, 400), legend(entries, 70)
    for image in (wide, narrow):
        for colour in (RED, BLUE):
            assert (image == colour).all(axis=2).sum() >= 80
    assert narrow.shape[0] == 2 * wide.shape[0]


def test_png_keeps_every_pixel_and_its_colour_order(tmp_path):
    image = np.random.default_rng(0).integers(0, 256, (8, 9, 3), np.uint8)
    path = write_png(image, tmp_path / 'new' / 'folder' / 'a.png')
    assert (cv2.imread(str(path))[..., ::-1] == image).all()
    assert [file.name for file in path.parent.iterdir()] == ['a.png']


@pytest.mark.parametrize(
    ('image', 'name', 'says'),
    [
        (np.zeros((4, 4), np.uint8), 'a.png', r'shape \(4, 4\)'),
        (np.zeros((4, 4, 3)), 'a.png', 'float64'),
        (np.zeros((4, 4, 3), np.uint8), 'a.jpg', r'\.png files'),
    ],
)
def test_bad_pictures_leave_no_file(image, name, says, tmp_path):
    with pytest.raises(ValueError, match=says):
        write_png(image, tmp_path / name)
    assert list(tmp_path.iterdir()) == []
