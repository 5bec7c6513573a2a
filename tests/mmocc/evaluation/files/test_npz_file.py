"""Reading npz files frame by frame, broken ones included."""

import zipfile

import numpy as np
import pytest

from mmocc.evaluation.files import Joined, NpzFile, ResultFileError

GRIDS = np.arange(5 * 12, dtype=np.uint8).reshape(5, 3, 4)


@pytest.fixture
def path(tmp_path):
    return tmp_path / 'some.npz'


def save(path, compressed=True, **arrays):
    (np.savez_compressed if compressed else np.savez)(path, **arrays)
    return path


@pytest.mark.parametrize('compressed', [True, False])
@pytest.mark.parametrize(
    'order', [[0, 1, 2, 3, 4], [4, 3, 2, 1, 0], [0, 1, 3, 2, 2, 4, 0]]
)
def test_frames_come_in_any_order(path, compressed, order):
    save(path, compressed, semantics=GRIDS)
    with NpzFile(path) as file:
        source = file.frames('semantics')
        assert (len(source), source.shape) == (5, (3, 4))
        for place in order:
            assert (source[place] == GRIDS[place]).all()
        file.finish()


def test_small_arrays_and_headers(path):
    save(path, tokens=np.array(['a', 'b']), number=np.array(3.5))
    with NpzFile(path) as file:
        assert file.tokens() == ('a', 'b')
        assert file.array('number') == 3.5
        assert file.header('tokens').shape == (2,)
        assert 'tokens' in file
        assert 'mask' not in file


def test_tokens_may_be_bytes_or_absent(path):
    save(path, tokens=np.array([b'a', b'b']))
    with NpzFile(path) as file:
        assert file.tokens() == ('a', 'b')
    save(path, other=np.zeros(2))
    with NpzFile(path) as file:
        assert file.tokens() is None


@pytest.mark.parametrize(
    ('tokens', 'says'),
    [
        (np.array(['a', 'b', 'a']), 'more than once: a'),
        (np.array(['a', '']), 'sample number 1: is empty'),
        (np.array([1, 2]), r'int64 of shape \(2,\), expected \(N,\) strings'),
        (np.array([['a']]), r'shape \(1, 1\)'),
    ],
)
def test_bad_tokens_are_refused(path, tokens, says):
    save(path, tokens=tokens)
    with NpzFile(path) as file, pytest.raises(ResultFileError, match=says):
        file.tokens()


def test_missing_files_and_other_files_are_refused(path):
    with pytest.raises(ResultFileError, match=r'some\.npz: cannot be'):
        NpzFile(path)
    path.write_bytes(b'no archive')
    with pytest.raises(ResultFileError, match='cut off or no npz file'):
        NpzFile(path)


def test_missing_arrays_are_named(path):
    save(path, semantics=GRIDS)
    with NpzFile(path) as file:
        with pytest.raises(ResultFileError, match=r"lacks \['mask'\]"):
            file.require('mask')
        with pytest.raises(ResultFileError, match=r"it holds \['semantics'\]"):
            file.frames('mask')


def test_objects_are_refused(path):
    np.savez(path, semantics=np.array([{}, {}], dtype=object))
    with (
        NpzFile(path) as file,
        pytest.raises(ResultFileError, match='Python objects'),
    ):
        file.array('semantics')


def test_column_order_is_refused(path):
    save(path, semantics=np.asfortranarray(GRIDS))
    with (
        NpzFile(path) as file,
        pytest.raises(ResultFileError, match='ascontiguousarray'),
    ):
        file.frames('semantics')


def test_a_single_number_has_no_frames(path):
    save(path, semantics=np.array(3))
    with (
        NpzFile(path) as file,
        pytest.raises(ResultFileError, match='one entry per sample'),
    ):
        file.frames('semantics')


def cut(path, kept):
    path.write_bytes(path.read_bytes()[:kept])


def test_a_cut_off_file_is_refused(path):
    save(path, semantics=GRIDS)
    cut(path, path.stat().st_size - 30)
    with pytest.raises(ResultFileError, match='cut off'):
        NpzFile(path)


def test_a_flipped_bit_is_found_by_the_checksum(path):
    """In the last frame, which is read by finish() alone."""
    grids = np.random.default_rng(0).integers(0, 18, (5, 20000), np.uint8)
    save(path, compressed=False, semantics=grids)
    content = bytearray(path.read_bytes())
    content[content.index(grids[4].tobytes())] ^= 1
    path.write_bytes(content)
    with NpzFile(path) as file:
        source = file.frames('semantics')
        assert (source[0] == grids[0]).all()
        with pytest.raises(ResultFileError, match='"semantics": is damaged'):
            file.finish()
    with NpzFile(path) as file:
        source = file.frames('semantics')
        with pytest.raises(ResultFileError, match='is damaged'):
            source[2]
    with (
        NpzFile(path) as file,
        pytest.raises(ResultFileError, match='is damaged'),
    ):
        file.array('semantics')


def test_a_damaged_stream_is_found(path):
    save(path, semantics=np.random.default_rng(0).random((50, 40)))
    content = bytearray(path.read_bytes())
    middle = len(content) // 2
    content[middle : middle + 40] = bytes(40)
    path.write_bytes(content)
    with (
        NpzFile(path) as file,
        pytest.raises(ResultFileError, match='is damaged'),
    ):
        source = file.frames('semantics')
        for place in range(50):
            source[place]
        file.finish()


def test_a_damaged_directory_is_found(path):
    save(path, semantics=GRIDS)
    whole = path.read_bytes()
    entry = whole.index(b'PK\x01\x02')
    # The version that is needed, the way to compress, where the array is.
    for place in (6, 10, 42):
        content = bytearray(whole)
        content[entry + place] ^= 0x63
        path.write_bytes(content)
        with (
            pytest.raises(ResultFileError, match=r'cut off|is damaged'),
            NpzFile(path) as file,
        ):
            file.array('semantics')


def test_a_header_that_promises_more_is_found(path):
    save(path, compressed=False, semantics=GRIDS)
    with zipfile.ZipFile(path) as archive:
        content = archive.read('semantics.npy')
    for old, new, says in (
        (b'(5, 3', b'(6, 3', 'ends before its last sample'),
        (b'(5, 3', b'(4, 3', 'goes on behind its last sample'),
    ):
        with zipfile.ZipFile(path, 'w') as archive:
            archive.writestr('semantics.npy', content.replace(old, new))
        with NpzFile(path) as file:
            file.frames('semantics')
            with pytest.raises(ResultFileError, match=says):
                file.finish()


def test_a_bad_header_is_found(path):
    with zipfile.ZipFile(path, 'w') as archive:
        archive.writestr('semantics.npy', b'something else')
    with (
        NpzFile(path) as file,
        pytest.raises(ResultFileError, match='"semantics": is damaged'),
    ):
        file.header('semantics')


def joined(tmp_path, pred, truth):
    files = []
    for name, arrays in (('pred', pred), ('truth', truth)):
        files.append(NpzFile(save(tmp_path / f'{name}.npz', **arrays)))
    with files[0], files[1]:
        return Joined(*files, 'x')


def test_samples_are_joined_by_token(tmp_path):
    pair = joined(
        tmp_path,
        {'x': np.zeros(3), 'tokens': np.array(['c', 'a', 'b'])},
        {'x': np.zeros(3), 'tokens': np.array(['a', 'b', 'c'])},
    )
    assert pair.names == ['a', 'b', 'c']
    assert pair.places == [1, 2, 0]


def test_without_tokens_samples_are_joined_by_position(tmp_path):
    pair = joined(tmp_path, {'x': np.zeros(2)}, {'x': np.zeros(2)})
    assert pair.names == ['number 0', 'number 1']
    assert pair.places == [0, 1]


@pytest.mark.parametrize(
    ('pred', 'truth', 'says'),
    [
        (['a'], ['a', 'b', 'c'], r'pred.npz: lacks 2 of the 3.*: b, c;'),
        (['a', 'b', 'z'], ['a', 'b'], r'pred.npz: has 1.*truth.npz lacks: z'),
        (['a', 'b'], None, r'truth.npz, field "tokens": has no tokens'),
        (None, ['a', 'b'], r'pred.npz, field "tokens": has no tokens'),
        (['a', 'a'], ['a', 'b'], 'more than once'),
    ],
)
def test_mismatches_list_what_is_missing(tmp_path, pred, truth, says):
    sides = []
    for tokens in (pred, truth):
        arrays = {'x': np.zeros(2 if tokens is None else len(tokens))}
        if tokens is not None:
            arrays['tokens'] = np.array(tokens)
        sides.append(arrays)
    with pytest.raises(ResultFileError, match=says):
        joined(tmp_path, *sides)


def test_many_missing_tokens_are_shortened(tmp_path):
    tokens = np.array([f't{i:02d}' for i in range(40)])
    with pytest.raises(ResultFileError, match='t05 and 34 more'):
        joined(
            tmp_path,
            {'x': np.zeros(1), 'tokens': tokens[:1]},
            {'x': np.zeros(40), 'tokens': tokens},
        )


@pytest.mark.parametrize(
    ('pred', 'truth', 'says'),
    [
        ({'x': np.zeros(2)}, {'x': np.zeros(3)}, 'has 2 samples.*has 3'),
        ({'x': np.zeros(0)}, {'x': np.zeros(0)}, 'no sample'),
        (
            {'x': np.zeros(2), 'tokens': np.array(['a'])},
            {'x': np.zeros(2)},
            '1 tokens for 2 samples',
        ),
    ],
)
def test_counts_must_fit(tmp_path, pred, truth, says):
    with pytest.raises(ResultFileError, match=says):
        joined(tmp_path, pred, truth)
