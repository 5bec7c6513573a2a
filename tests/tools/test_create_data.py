"""Resuming and joining text; the infos: test_nuscenes_converter.py."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from mmdet3d.datasets import convert_utils
from mmocc_testing.handmade_nuscenes import HandmadeNuScenes
from nuscenes.utils import splits

sys.path.insert(0, str(Path(__file__).parents[2] / 'tools'))

import create_data

from dataset_converters import nuscenes_converter, object_boxes
from dataset_converters.nuscenes_converter import (
    ConvertOptions,
    SplitReport,
    convert_nuscenes,
)
from dataset_converters.nuscenes_tables import TableError
from mmocc.datasets.transforms import LoadDrivingQA
from mmocc.infos import DETECTION_CLASSES, load_info_file

TRAIN, VAL = 'scene-0061', 'scene-0103'
SECOND = 'scene-0553'
FRAMES = 4
TOKEN = f'{TRAIN}-sample-1'


def cruise(time: float) -> tuple[float, float, float]:
    return 300.0 + 5.0 * time, 700.0, 0.0


@pytest.fixture
def root(tmp_path) -> Path:
    root = tmp_path / 'root'
    HandmadeNuScenes(
        root, dict.fromkeys((TRAIN, SECOND, VAL), cruise), frames=FRAMES
    )
    return root


def convert(root: Path, out: Path, **more) -> list[SplitReport]:
    options = ConvertOptions(root, 'v1.0-mini', out, can_bus=True, **more)
    return convert_nuscenes(options)


def infos_of(report: SplitReport) -> list[dict]:
    return load_info_file(report.path)['data_list']


def write_text(folder: Path) -> None:
    """All that OmniDrive may say of one frame, and a part of another."""
    files = {
        f'desc/train/{TOKEN}': {'description': 'A road.', 'action': 'Go on.'},
        f'conv/train/{TOKEN}': [{'question': 'Rain?', 'answer': 'No.'}],
        f'vqa/train/{TOKEN}': [{'question': 'Next?', 'answer': 'Straight.'}],
        f'keywords/train/{TOKEN}': 'keep speed, straight',
        f'conv/val/{VAL}-sample-0': [{'question': 'Sun?', 'answer': 'Yes.'}],
    }
    for name, content in files.items():
        path = folder / f'{name}.json'
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(content))


@pytest.fixture
def broken_at_second(root) -> Path:
    """A run over this root ends in an error after its first scene."""
    path = root / 'can_bus' / f'{SECOND}_pose.json'
    path.rename(path.with_suffix('.kept'))
    path.write_text('[{"utime": 1}]')
    return root


def repair(root: Path) -> None:
    path = root / 'can_bus' / f'{SECOND}_pose.json'
    path.with_suffix('.kept').replace(path)


def test_an_interrupted_run_goes_on_and_gives_the_same_bytes(
    broken_at_second, tmp_path, monkeypatch
):
    root, out = broken_at_second, tmp_path / 'out'
    with pytest.raises(TableError, match=SECOND):
        convert(root, out)
    assert not list(out.glob('*.pkl'))
    repair(root)
    scenes = []
    original = nuscenes_converter.convert_scene

    def spy(inputs):
        scenes.append(inputs.scene.name)
        return original(inputs)

    monkeypatch.setattr(nuscenes_converter, 'convert_scene', spy)
    train, val = convert(root, out)
    assert (train.resumed_scenes, val.resumed_scenes) == (1, 0)
    assert scenes == [SECOND, VAL]
    # Nothing but the info files is left behind.
    assert sorted(out.iterdir()) == [train.path, val.path]
    clean = convert(root, tmp_path / 'clean', workers=2)
    for one, two in zip((train, val), clean, strict=True):
        assert two.resumed_scenes == 0
        assert one.path.read_bytes() == two.path.read_bytes()


@pytest.mark.parametrize('changed', ['input', 'options', 'damage'])
def test_stale_scenes_are_not_taken(broken_at_second, tmp_path, changed):
    root, out, more = broken_at_second, tmp_path / 'out', {}
    with pytest.raises(TableError):
        convert(root, out)
    repair(root)
    if changed == 'input':
        path = root / 'can_bus' / f'{TRAIN}_pose.json'
        path.write_text(
            path.read_text().replace('"accel": [0.1', '"accel":[7')
        )
    elif changed == 'options':
        label = root / 'gts' / SECOND / f'{SECOND}-sample-0' / 'labels.npz'
        label.parent.mkdir(parents=True)
        label.touch()
        more = dict(occ3d=True)
    else:
        (scene,) = next(out.glob('.*')).iterdir()
        scene.write_bytes(scene.read_bytes()[:50])
        with pytest.raises(ValueError, match='cut off'):
            convert(root, out)
    train, _ = convert(root, out, **more)
    first = infos_of(train)[0]
    if changed == 'input':
        assert first['ego']['status']['ax'] == 7
    elif changed == 'options':
        assert train.missing_labels == 2 * FRAMES - 1
    else:
        assert first['ego']['status']['ax'] == 0.1


def test_text_of_omnidrive_becomes_captions(root, tmp_path):
    folder = tmp_path / 'text'
    write_text(folder)
    train, val = convert(root, tmp_path / 'out', omnidrive=folder)
    infos = infos_of(train)
    assert infos[0]['captions'] == []
    captions = infos[1]['captions']
    assert [c['template_type'] for c in captions] == [
        *('desc', 'desc', 'conv', 'vqa', 'keywords'),
    ]
    assert [c['answer'] for c in captions] == [
        *('A road.', 'Go on.', 'No.', 'Straight.', 'keep speed, straight'),
    ]
    assert captions[2]['question'] == 'Rain?'
    assert train.samples_without_captions == 2 * FRAMES - 1
    assert infos_of(val)[0]['captions'][0]['answer'] == 'Yes.'
    # The transform that trains on them takes them as they are.
    questions = LoadDrivingQA(tasks=('caption',)).transform(infos[1])
    assert [q.answer for q in questions['questions']] == [
        c['answer'] for c in captions
    ]


def test_text_of_mini_is_found_in_the_split_of_nuscenes(root, tmp_path):
    """mini_train holds scenes of nuScenes' val, whose text is there."""
    assert SECOND in splits.mini_train and SECOND in splits.val
    folder, token = tmp_path / 'text', f'{SECOND}-sample-0'
    write_text(folder)
    (folder / 'conv' / 'val' / f'{token}.json').write_text(
        json.dumps([{'question': 'Dark?', 'answer': 'No.'}])
    )
    (root / 'NuScenes_QA').mkdir()
    for split, sample in (('train', TOKEN), ('val', token)):
        row = dict(sample_token=sample, question='Cars?', answer=split)
        row.update(template_type='count', num_hop=0)
        path = root / 'NuScenes_QA' / f'NuScenes_{split}_questions.json'
        path.write_text(json.dumps(dict(questions=[row])))
    train, _ = convert(root, tmp_path / 'out', omnidrive=folder, qa=True)
    infos = {info['token']: info for info in infos_of(train)}
    assert infos[TOKEN]['qa'][0]['answer'] == 'train'
    assert infos[token]['qa'][0]['answer'] == 'val'
    assert [c['question'] for c in infos[token]['captions']] == ['Dark?']
    assert train.samples_without_questions == 2 * FRAMES - 2


def test_without_text_the_key_is_not_there(root, tmp_path):
    train, _ = convert(root, tmp_path / 'out')
    assert 'captions' not in infos_of(train)[0]


@pytest.mark.parametrize(
    ('name', 'content'),
    [
        (f'desc/train/{TOKEN}', '{"description": "only"}'),
        (f'conv/train/{TOKEN}', '[{"question": "a"}]'),
        (f'conv/train/{TOKEN}', '[1, 2]'),
        (f'vqa/train/{TOKEN}', '[{"ques'),
        (f'keywords/train/{TOKEN}', '5'),
    ],
)
def test_broken_text_is_named(root, tmp_path, name, content):
    folder = tmp_path / 'text'
    write_text(folder)
    (folder / f'{name}.json').write_text(content)
    with pytest.raises(TableError, match=f'{TOKEN}.*OmniDrive'):
        convert(root, tmp_path / 'out', omnidrive=folder)


def test_a_folder_without_text_is_refused_at_once(root, tmp_path):
    with pytest.raises(TableError, match=r'conv/train.*data_nusc'):
        convert(root, tmp_path / 'out', omnidrive=tmp_path)


def test_command_line_tells_what_was_resumed(
    broken_at_second, tmp_path, capsys
):
    root = broken_at_second
    arguments = [
        *('nuscenes', '--data-root', str(root), '--version', 'v1.0-mini'),
        *('--can-bus', '--out', str(tmp_path / 'out')),
    ]
    assert create_data.main(arguments) == 1
    assert f'{SECOND}_pose.json' in capsys.readouterr().err
    repair(root)
    assert create_data.main(arguments) == 0
    assert '1 scenes were finished by a run before' in capsys.readouterr().out


def test_a_full_disk_or_closed_folder_is_one_message(root, tmp_path, capsys):
    out = tmp_path / 'file'
    out.write_text('in the way')
    arguments = [
        *('nuscenes', '--root', str(root), '--version', 'v1.0-mini'),
        *('--out', str(out)),
    ]
    assert create_data.main(arguments) == 1
    message = capsys.readouterr().err.splitlines()[-1]
    assert message.startswith('error: ') and 'file' in message


def test_samples_in_a_circle_are_refused(root, tmp_path):
    path = root / 'v1.0-mini' / 'sample.json'
    rows = json.loads(path.read_text())
    rows[FRAMES - 1]['next'] = rows[0]['token']
    path.write_text(json.dumps(rows))
    with pytest.raises(TableError, match='circle'):
        convert(root, tmp_path / 'out')


def test_broken_root_leaves_a_message_not_a_trace(root, tmp_path, capsys):
    shutil.rmtree(root / 'can_bus')
    arguments = [
        *('nuscenes', '--root', str(root), '--version', 'v1.0-mini'),
        '--can-bus',
    ]
    assert create_data.main(arguments) == 1
    assert 'or leave out --can-bus' in capsys.readouterr().err


@pytest.mark.parametrize('tool', ['create_data', 'check_data'])
def test_help_loads_no_mmdet3d(tool):
    code = (
        f'import sys, {tool}\n'
        f'try: {tool}.main(["--help"])\n'
        'except SystemExit: pass\n'
        'print("torch" in sys.modules or "mmdet3d" in sys.modules)'
    )
    run = subprocess.run(
        [sys.executable, '-c', code],
        cwd=Path(create_data.__file__).parent,
        capture_output=True,
        text=True,
        check=True,
    )
    assert run.stdout.startswith('usage: ')
    assert run.stdout.endswith('False\n')


def test_class_lists_are_those_of_mmdet3d():
    """They are literals here, because mmdet3d takes long to import."""
    assert DETECTION_CLASSES == convert_utils.nus_categories
    assert object_boxes.ATTRIBUTES == convert_utils.nus_attributes


def test_labels_that_lie_elsewhere_are_named_before_anything_is_written(
    root, tmp_path
):
    label = root / 'gts/Occ3D/gts' / SECOND / f'{SECOND}-sample-0/labels.npz'
    label.parent.mkdir(parents=True)
    label.touch()
    with pytest.raises(
        TableError,
        match=rf'no frame has its .*{label}; move what is in .*leave out',
    ):
        convert(root, tmp_path / 'out', occ3d=True)
    assert not list((tmp_path / 'out').glob('*.pkl'))


@pytest.mark.parametrize(
    ('change', 'message'),
    [
        (lambda k, time: time - 2_000_000 * (k == 1), r'goes on by -1\.'),
        (lambda k, time: time / 1e6, 'in seconds as it seems'),
    ],
)
def test_time_of_tables_that_cannot_be_is_named(
    root, tmp_path, change, message
):
    path = root / 'v1.0-mini/sample.json'
    rows = json.loads(path.read_text())
    count = 0
    for row in rows:
        if row['scene_token'] == f'scene-token-{SECOND}':
            row['timestamp'] = change(count, row['timestamp'])
            count += 1
    path.write_text(json.dumps(rows))
    with pytest.raises(TableError, match=rf'{SECOND}.* sample .*{message}'):
        convert(root, tmp_path / 'out')
