"""Pickles that would take memory, time or the process with them."""

import pickle
import struct
import time
from pathlib import Path

import numpy as np
import pytest

from mmocc.infos import (
    InfoFileError,
    load_info_file,
    load_plain_pickle,
    write_info_file,
)
from mmocc.infos.pickle_scan import scan_pickle

CORE = b'cnumpy._core.multiarray\n'


def array(
    dtype: bytes = b'f8',
    shape: bytes = b'K\x01\x85',
    data: bytes = b'C\x08' + bytes(8),
    base: bytes = b'cnumpy\nndarray\n',
    state: bytes = b'(K\x03U\x01<NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb',
) -> bytes:
    """The opcodes of an array, part by part."""
    kind = b'cnumpy\ndtype\n(U' + bytes([len(dtype)]) + dtype + b'\x89\x88tR'
    rebuilt = CORE + b'_reconstruct\n' + base + b'K\x00\x85U\x01b\x87R'
    return rebuilt + b'(K\x01' + shape + kind + state + b'\x89' + data + b'tb'


def nested(pair: bytes, times: int) -> bytes:
    """A key that contains the one before twice, so often."""
    step = b''.join(b'q%c' % i + b'h%c' % i + pair for i in range(times))
    return b'}K\x01' + step + b'K\x00s.'


HOSTILE = {
    'memo index': b'}r\xff\xff\xff\xff.',
    'memo index as text': b'}p99999999999\n.',
    'bytes': b'}K\x01B\xff\xff\xff\x7fab' + b's.',
    'bytearray': b'\x96' + struct.pack('<Q', 2**40) + b'a.',
    'frame': b'\x80\x04\x95' + struct.pack('<Q', 2**50) + b'}.',
    'negative size': b'\x8e' + b'\xff' * 8 + b'a.',
    'long': b'}K\x01\x8b\xff\xff\xff\x00' + b'\x01' * 200 + b's.',
    'long as text': b'}K\x01L' + b'9' * 5000 + b'L\ns.',
    'hashed for ever': nested(b'\x86', 60),
    'shared for ever': b'}K\x01('
    + b'lq\x00'
    + b''.join(b'(' + b'h%c' % i * 20 + b'lq%c' % (i + 1) for i in range(30))
    + b's.',
    'deep lists': b'}K\x01' + b']' * 5000 + b'a' * 4999 + b's.',
    'deep key': b'})' + b'\x85' * 500_000 + b'Ns.',
    'contains itself': b'}q\x00K\x01h\x00s.',
    'filled late': b'}q\x00(K\x01]q\x01K\x02h\x01uh\x01h\x00a0.',
    'persistent': b'}K\x01Px\ns.',
    'persistent object': b'}K\x01K\x02Qs.',
    'extension': b'}K\x01\x82\x01s.',
    'instance': b'}K\x01(ios\nsystem\ns.',
    'object': b'}K\x01(cos\nsystem\nos.',
    'state of a list': b'}K\x01]}bs.',
    'state of a function': b'}K\x01' + CORE + b'scalar\nN}K\x01K\x02s\x86bs.',
    'set': b'}K\x01\x8fs.',
    'buffer': b'}K\x01\x97s.',
    'function as value': b'}K\x01' + CORE + b'scalar\ns.',
    'half an array': b'}K\x01'
    + CORE
    + b'_reconstruct\ncnumpy\nndarray\nK\x00\x85U\x01b\x87Rs.',
    'objects': b'}K\x01' + array(b'O8') + b's.',
    'fields': b'}K\x01' + array(b'V8') + b's.',
    'references in fields': b'}K\x01'
    + array(state=b'(K\x03U\x01|NU\x01a\x85}K\x01K\x01K\x00tb')
    + b's.',
    'shape of the moon': b'}K\x01'
    + array(shape=b'J\xff\xff\xff\x7f\x85')
    + b's.',
    'negative shape': b'}K\x01'
    + array(shape=b'J\xff\xff\xff\xffJ\xff\xff\xff\xff\x86')
    + b's.',
    'too many bytes': b'}K\x01' + array(data=b'C\x10' + bytes(16)) + b's.',
    'no bytes': b'}K\x01' + array(data=b']') + b's.',
    'other class': b'}K\x01' + array(base=b'cnumpy\ndtype\n') + b's.',
    'state twice': b'}K\x01' + array() + b'K\x01K\x02\x86bs.',
    'codec': b'}K\x01c_codecs\nencode\nU\x01aU\x03zip\x86Rs.',
    'million bytes': b'}K\x01c__builtin__\nbytes\nJ\xff\xff\xff\x7f\x85Rs.',
    'empty texts without end': b'}K\x01'
    + array(b'U0', shape=b'J\xff\xff\xff\x7f\x85', data=b'C\x00')
    + b's.',
}


@pytest.mark.parametrize('name', HOSTILE)
def test_hostile_pickles_end_in_one_line_at_once(tmp_path: Path, name: str):
    path = tmp_path / 'infos.pkl'
    path.write_bytes(HOSTILE[name])
    start = time.monotonic()
    with pytest.raises(InfoFileError, match=r'infos\.pkl') as caught:
        load_plain_pickle(path)
    assert time.monotonic() - start < 2
    assert '\n' not in str(caught.value)
    assert len(str(caught.value)) < 600


def test_the_array_that_the_hostile_ones_are_made_of_is_sound(tmp_path):
    path = tmp_path / 'infos.pkl'
    path.write_bytes(b'}K\x01' + array() + b's.')
    np.testing.assert_equal(load_plain_pickle(path), {1: np.zeros(1)})


def plain() -> dict:
    shared = np.arange(3.0)
    return dict(
        empty=np.zeros((0, 7)),
        point=np.array(3.0),
        columns=np.asfortranarray(np.arange(6.0).reshape(2, 3)),
        swapped=np.arange(4, dtype='>i4'),
        names=np.array(['car', 'é']),
        raw=np.array([b'a', b'bc']),
        flags=np.array([True, False]),
        numbers=(np.float32(3), np.bool_(True), 2**63, -5, 1.5, None),
        nested=[(1, (shared,)), [shared, shared]],
        bytes=[b'', b'abc\xff'],
        text='é\ud800',
    )


@pytest.mark.parametrize('protocol', range(pickle.HIGHEST_PROTOCOL + 1))
@pytest.mark.parametrize('old_names', [False, True])
def test_plain_content_is_that_of_pickle(tmp_path, protocol, old_names):
    data = pickle.dumps(plain(), protocol)
    if old_names and protocol < 4:
        data = data.replace(b'numpy._core.', b'numpy.core.')
    path = tmp_path / 'infos.pkl'
    path.write_bytes(data)
    read, expected = load_plain_pickle(path), pickle.loads(data)
    np.testing.assert_equal(read, expected)
    for key, value in expected.items():
        assert type(read[key]) is type(value)
        if isinstance(value, np.ndarray):
            assert read[key].flags.writeable
            assert read[key].flags.f_contiguous == value.flags.f_contiguous
    assert read['nested'][1][0] is read['nested'][1][1]


def test_the_compiled_scan_says_what_the_plain_one_says(monkeypatch):
    inputs = [*HOSTILE.values(), pickle.dumps(plain(), 2)]
    before = [scan_pickle(data) for data in inputs]
    monkeypatch.setattr('mmocc.infos.pickle_scan._COMPILE_FROM', 0)
    assert [scan_pickle(data) for data in inputs] == before


def test_every_flipped_byte_is_found(tmp_path):
    infos = dict(
        metainfo=dict(info_version='1.1', dataset='nuscenes'),
        data_list=[dict(token='a', timestamp=1.25, ego2global=np.eye(4))],
    )
    path = tmp_path / 'infos.pkl'
    write_info_file(infos, path)
    whole = path.read_bytes()
    np.testing.assert_equal(load_info_file(path), infos)
    np.testing.assert_equal(pickle.loads(whole), infos)
    for place in range(len(whole)):
        changed = bytearray(whole)
        changed[place] ^= 1 << place % 8
        path.write_bytes(changed)
        with pytest.raises(InfoFileError, match=r'infos\.pkl'):
            load_info_file(path)


def test_a_script_of_ones_own_may_write_the_file_again(tmp_path):
    infos = dict(
        metainfo=dict(info_version='1.1', dataset='nuscenes'),
        data_list=[dict(token='a')],
    )
    path = tmp_path / 'infos.pkl'
    write_info_file(infos, path)
    content = pickle.loads(path.read_bytes())
    content['data_list'][0]['token'] = 'b'
    path.write_bytes(pickle.dumps(content))
    assert load_info_file(path)['data_list'][0]['token'] == 'b'
