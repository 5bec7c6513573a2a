"""The command line of the evaluation, from files to a table and JSON."""

import hashlib
import json
import sys
from types import ModuleType

import numpy as np
import pytest

from mmocc.evaluation.files import (
    GridFileWriter,
    write_plan_truth,
    write_plans,
)
from mmocc.evaluation.functional import Agents, PlanSample
from mmocc.utils.json_files import write_json_lines
from mmocc.version import __version__

CAR, ROAD, FREE = 4, 11, 17
SHAPE = (6, 5, 4)
TASKS = (
    'occ', 'rayiou', 'forecast', 'planning', 'qa', 'caption',
    'counterfactual', 'meta',
)  # fmt: skip
TOKENS = ['t0', 't1', 't2']


@pytest.fixture
def command(load_tool, monkeypatch, capsys):
    """Run ``tools/evaluate.py``: exit status, output, errors."""
    tool = load_tool('evaluate.py')

    def run(*arguments):
        argv = ['evaluate.py', *map(str, arguments)]
        monkeypatch.setattr('sys.argv', argv)
        try:
            status = tool.main()
        except SystemExit as stop:
            status = stop.code
        return status, *capsys.readouterr()

    return run


@pytest.fixture
def evaluate(command, tmp_path):
    """Evaluate two files: what was printed, and the JSON."""
    out = tmp_path / 'scores.json'

    def run(task, paths, *presets):
        options = [word for name in presets for word in ('--preset', name)]
        status, printed, errors = command(
            task, '--pred', paths[0], '--gt', paths[1], *options, '--out', out
        )
        assert (status, errors) == (0, '')
        return printed, json.loads(out.read_text())

    return run


@pytest.fixture
def refused(command, tmp_path):
    """Evaluate files that cannot be: the one line that says why."""
    out = tmp_path / 'scores.json'

    def run(task, paths, *options):
        status, printed, errors = command(
            task, '--pred', paths[0], '--gt', paths[1], '--out', out, *options
        )
        assert status == 1
        assert printed == ''
        assert not out.exists()
        assert errors.startswith('error: ')
        assert errors.count('\n') == 1
        return errors

    return run


def random_grids(seed, *shape):
    rng = np.random.default_rng(seed)
    return rng.integers(0, 18, shape, dtype=np.uint8)


def occ_files(folder):
    pred, truth = (random_grids(seed, 3, *SHAPE) for seed in (0, 1))
    masks = np.random.default_rng(2).random((3, *SHAPE)) < 0.5
    with GridFileWriter(folder / 'pred.npz') as writer:
        for token, grid in zip(TOKENS, pred, strict=True):
            writer.add(token, grid)
    with GridFileWriter(folder / 'truth.npz') as writer:
        for token, grid, mask in zip(TOKENS, truth, masks, strict=True):
            writer.add(token, grid, mask_camera=mask, mask_lidar=~mask)


def rayiou_files(folder):
    truth = np.full((200, 200, 16), FREE, np.uint8)
    truth[:, :, 0] = ROAD
    truth[120, 80:120, 1:8] = CAR
    for name, grid in (('pred', np.roll(truth, 1, axis=0)), ('truth', truth)):
        origins = None if name == 'pred' else [[0.9, 0, 1.8]]
        with GridFileWriter(folder / f'{name}.npz') as writer:
            writer.add('t0', grid, origins=origins)


def forecast_files(folder):
    for seed, name in enumerate(('pred', 'truth')):
        times = (1, 2, 3) if name == 'pred' else (0, 1, 2, 3)
        grids = random_grids(seed, 3, len(times), *SHAPE)
        with GridFileWriter(folder / f'{name}.npz', times) as writer:
            for token, grid in zip(TOKENS, grids, strict=True):
                writer.add(token, grid)


def planning_files(folder):
    """One parked car in the way of the third plan alone."""
    ahead = 3.0 * np.arange(1, 7)
    truth = np.stack((ahead, np.zeros(6)), axis=-1)
    car = Agents(
        category=np.array(['vehicle.car']),
        size=np.array([[4.5, 1.9]]),
        now=np.array([[20.0, 3, 0]]),
        future=np.tile([20.0, 3, 0], (1, 6, 1)),
        future_mask=np.ones((1, 6), bool),
        has_points=np.ones((1, 6), bool),
        recently_seen=np.ones(1, bool),
    )
    samples = [
        PlanSample(
            plan=None,
            truth=truth,
            mask=np.ones(6, bool),
            truth_yaw=np.zeros(6),
            agents=car,
            frame_idx=10,
            scene_length=40,
        )
        for _ in TOKENS
    ]
    write_plan_truth(folder / 'truth.npz', TOKENS, samples)
    trajs = np.stack([np.add(truth, (0, left)) for left in (0, 0, 3)])
    write_plans(
        folder / 'pred.npz', TOKENS[::-1], trajs[::-1], ego_status='velocity'
    )


def qa_files(folder):
    asked = [
        ('t0', 'Any cars?', 'yes', 'exist', 0, 'yes'),
        ('t0', 'How many?', 3, 'count', 1, '3'),
        ('t1', 'Any cars?', 'no', 'exist', 1, 'No.'),
    ]
    write_json_lines(
        [
            dict(token=t, question=q, answer=a, template_type=k, num_hop=h)
            for t, q, a, k, h, _ in asked
        ],
        folder / 'truth.jsonl',
    )
    write_json_lines(
        [dict(token=t, question=q, answer=s) for t, q, *_, s in asked],
        folder / 'pred.jsonl',
    )


def caption_files(folder):
    said = ['A car waits .', 'It turns .', 'Two buses stand there .']
    true = ['A car waits ahead .', 'It turns left .', 'Two buses are here .']
    for name, texts in (('pred', said), ('truth', true)):
        write_json_lines(
            [
                dict(token=token, question='Describe.', answer=text)
                for token, text in zip(TOKENS, texts, strict=True)
            ],
            folder / f'{name}.jsonl',
        )


def counterfactual_files(folder):
    path = '[PT, (1.0, 0.0)]'
    write_json_lines(
        [
            dict(token='t0', question=path, answer='That is safe.'),
            dict(token='t1', question=path, answer='You would hit a car.'),
        ],
        folder / 'pred.jsonl',
    )
    write_json_lines(
        [
            dict(token='t0', question=path, labels=['safe']),
            dict(token='t1', question=path, labels=['red_light']),
        ],
        folder / 'truth.jsonl',
    )


def meta_files(folder):
    write_json_lines(
        [
            dict(token='t0', answer='Accelerate; Turn Left'),
            dict(token='t1', answer=''),
        ],
        folder / 'pred.jsonl',
    )
    write_json_lines(
        [
            dict(token='t0', speed='Accelerate', direction='Turn Left'),
            dict(token='t1', speed='Maintain speed', direction='Stop'),
        ],
        folder / 'truth.jsonl',
    )


@pytest.fixture
def files(tmp_path):
    """Good files of a task: prediction and truth."""

    def write(task):
        globals()[f'{task}_files'](tmp_path)
        suffix = 'npz' if (tmp_path / 'pred.npz').exists() else 'jsonl'
        return [tmp_path / f'{name}.{suffix}' for name in ('pred', 'truth')]

    return write


# Figures that follow from the files by hand, by task and preset.
EXPECTED = {
    'occ': {'occ3d': {'frames': 3}, 'all_voxels': {'frames': 3}},
    'rayiou': {'sparseocc': {'frames': 1, 'origins': 1}},
    'forecast': {
        'occworld': {'windows': 3},
        'occworld/copy_and_paste': {'windows': 3},
        'sparseworld': {'windows': 3},
        'sparseworld/copy_and_paste': {'windows': 3},
    },
    'planning': {
        # One plan of three is 3 m off.
        'l2': {'L2_at_3s': 1.0, 'L2_mean_avg': 1.0, 'samples': 3},
        'l2/non_straight': {'samples': 0},
        'l2/stop_start': {'samples': 0},
    },
    'qa': {
        'nuscenes_qa': {
            'overall': 200 / 3,
            'exist': 50.0,
            'count': 100.0,
            'normalised/overall': 100.0,
            'questions': 3,
        }
    },
    'caption': {'raw': {'pairs': 3, 'empty_answers': 0}},
    'counterfactual': {
        'keywords': {'precision_safe': 100.0, 'recall_red_light': 0.0}
    },
    'meta': {'occvla': {'joint': 50.0, 'unparsable': 50.0, 'frames': 2}},
}


@pytest.mark.parametrize('task', TASKS)
def test_json_holds_scores_version_counts_and_hashes(task, files, evaluate):
    paths = files(task)
    printed, report = evaluate(task, paths)
    assert report['task'] == task
    assert report['version'] == __version__
    assert report['format'] == 1
    assert list(report['results']) == list(EXPECTED[task])
    assert report['about'].keys() == report['results'].keys()
    for preset, figures in EXPECTED[task].items():
        assert report['about'][preset]['source']
        for name, value in figures.items():
            found = report['results'][preset][name]
            assert found == pytest.approx(value), name
            assert name in printed
    for name, path in zip(('pred', 'gt'), paths, strict=True):
        content = path.read_bytes()
        assert report['inputs'][name] == {
            'file': str(path),
            'bytes': len(content),
            'sha256': hashlib.sha256(content).hexdigest(),
        }


@pytest.mark.parametrize('task', TASKS)
def test_table_has_a_column_for_each_preset(task, files, evaluate):
    printed, report = evaluate(task, files(task))
    lines = printed.splitlines()
    assert lines[0].split() == list(report['results'])
    assert len(printed) > 2 * len(lines[0])
    for note in report['notes']:
        assert note in printed


def test_presets_stand_side_by_side(files, evaluate):
    printed, report = evaluate('planning', files('planning'), 'uniad', 'vad')
    results = report['results']
    # One plan of three collides, over the last two steps.
    assert results['vad']['collision_at_3s'] == pytest.approx(100 / 3)
    assert results['vad']['collision_mean_3s'] == pytest.approx(200 / 18)
    assert results['uniad']['collision_at_3s'] == pytest.approx(100 / 3)
    about = report['about']['vad']
    assert about['samples_of_nuscenes_val'] == 5119
    assert about['ego_status'] == 'velocity'
    assert 'L2_mean_3s' in about['published']
    assert "* the read-out that this preset's papers print" in printed


def test_all_stands_for_every_preset(files, evaluate):
    _, report = evaluate('occ', files('occ'), 'all')
    assert list(report['results']) == [
        'occ3d',
        'opus',
        'occworld',
        'lidar',
        'all_voxels',
    ]


def test_without_out_only_the_table_is_given(command, files, tmp_path):
    paths = files('meta')
    before = sorted(tmp_path.iterdir())
    status, printed, errors = command(
        'meta', '--pred', paths[0], '--gt', paths[1]
    )
    assert (status, errors) == (0, '')
    assert 'joint' in printed
    assert sorted(tmp_path.iterdir()) == before


def test_help_lists_tasks_and_presets(command):
    status, printed, _ = command('--help')
    assert status == 0
    for name in (*TASKS, 'sparsedrive', 'opus', 'ptb', 'sparseworld'):
        assert name in printed


def test_unknown_task_is_refused(command):
    status, printed, errors = command('drive', '--pred', 'a', '--gt', 'b')
    assert status == 2
    assert printed == ''
    assert "invalid choice: 'drive'" in errors


@pytest.mark.parametrize('task', TASKS)
def test_unknown_preset_is_refused(task, files, refused):
    errors = refused(task, files(task), '--preset', 'mine')
    assert "the preset is 'mine', expected one of" in errors


@pytest.mark.parametrize('task', TASKS)
@pytest.mark.parametrize('side', [0, 1])
def test_missing_file_is_named(task, side, files, refused):
    paths = files(task)
    paths[side] = paths[side].with_name('none')
    assert 'none: cannot be read (No such file' in refused(task, paths)


@pytest.mark.parametrize('task', TASKS)
@pytest.mark.parametrize('side', [0, 1])
def test_no_number_of_a_file_that_is_cut_off(task, side, files, refused):
    paths = files(task)
    content = paths[side].read_bytes()
    paths[side].write_bytes(content[: len(content) - 20])
    errors = refused(task, paths)
    assert paths[side].name in errors
    assert 'cut off' in errors


@pytest.mark.parametrize('task', ['occ', 'rayiou', 'forecast', 'planning'])
@pytest.mark.parametrize('side', [0, 1])
def test_no_number_of_a_damaged_file(task, side, files, refused):
    """One byte in the middle of the largest array; the rest is whole."""
    paths = files(task)
    with np.load(paths[side]) as arrays:
        content = dict(arrays)
    largest = max(content, key=lambda name: content[name].nbytes)
    np.savez(paths[side], **content)
    raw = bytearray(paths[side].read_bytes())
    place = raw.find(np.ascontiguousarray(content[largest]).tobytes())
    raw[place + content[largest].nbytes // 2] ^= 1
    paths[side].write_bytes(raw)
    errors = refused(task, paths)
    assert f'{paths[side].name}, field "{largest}"' in errors
    assert 'damaged' in errors


def change(path, **arrays):
    """Replace arrays of an npz file; None takes one out."""
    with np.load(path) as old:
        content = dict(old) | arrays
    np.savez(path, **{k: v for k, v in content.items() if v is not None})


BAD_ARRAYS = [
    # Wrong shapes.
    ('occ', 0, dict(semantics=np.zeros((3, 6, 5), int)), r'(3, 6, 5)'),
    ('occ', 0, dict(semantics=np.zeros((3, 6, 5, 9), int)), r'(6, 5, 9)'),
    ('occ', 1, dict(mask_camera=np.ones((3, 6, 5), bool)), '"mask_camera"'),
    ('rayiou', 1, dict(origins=np.zeros((1, 3))), '"origins"'),
    ('forecast', 0, dict(times_s=[1, 2]), '"times_s"'),
    ('forecast', 0, dict(semantics=np.zeros((3, 2, 6, 5, 4), int)), '(3, 2,'),
    ('planning', 0, dict(trajs=np.zeros((3, 5, 2))), r'(3, 5, 2)'),
    ('planning', 1, dict(mask=np.ones((3, 5), bool)), '"mask"'),
    ('planning', 1, dict(agent_size=np.ones((2, 2))), '"agent_size"'),
    # Types that do not fit, and ids that would run over in a byte.
    ('occ', 0, dict(semantics=np.zeros((3, *SHAPE))), 'float64'),
    ('occ', 0, dict(semantics=np.full((3, *SHAPE), 273)), 'the id 273'),
    ('occ', 0, dict(semantics=np.full((3, *SHAPE), -239)), 'the id -239'),
    ('occ', 1, dict(mask_camera=np.ones((3, *SHAPE))), 'float64'),
    ('planning', 0, dict(trajs=np.full((3, 6, 2), 'x')), 'expected numbers'),
    ('planning', 1, dict(mask=np.full((3, 6), 2)), '"mask"'),
    # Ids out of range.
    ('occ', 0, dict(semantics=np.full((3, *SHAPE), 18)), 'the id 18'),
    ('occ', 0, dict(semantics=np.full((3, *SHAPE), 255)), 'the id 255'),
    ('occ', 1, dict(semantics=np.full((3, *SHAPE), 100)), 'the id 100'),
    ('forecast', 0, dict(semantics=np.full((3, 3, *SHAPE), 18)), 'id 18'),
    # Numbers that are none.
    ('planning', 0, dict(trajs=np.full((3, 6, 2), np.nan)), 'NaN or infin'),
    ('planning', 0, dict(trajs=np.full((3, 6, 2), np.inf)), 'NaN or infin'),
    ('planning', 1, dict(trajs=np.full((3, 6, 2), np.nan)), 'NaN or infin'),
    ('planning', 1, dict(agent_size=np.full((3, 2), np.nan)), 'sizes of'),
    ('rayiou', 1, dict(origins=np.full((1, 2, 3), np.inf)), 'finite metres'),
    # Tokens.
    ('occ', 0, dict(tokens=['t0', 't0', 't1']), 'more than once: t0'),
    ('planning', 1, dict(tokens=['t0', 't1', 't1']), 'more than once: t1'),
    ('occ', 0, dict(tokens=['t0', 't1', '']), '"tokens", sample number 2'),
    ('occ', 0, dict(tokens=['t0', 't1', 'x']), 'lacks 1 of the 3 tokens'),
    ('planning', 1, dict(tokens=['t0', 't1', 'x']), 'lacks 1 of the 3'),
    ('forecast', 1, dict(tokens=['t0', 't1', 'x']), 'lacks 1 of the 3'),
    ('occ', 0, dict(tokens=None), 'has no tokens and the other file has'),
    ('occ', 1, dict(tokens=['t0', 't1']), '2 tokens for 3 samples'),
    # Fields.
    ('occ', 0, dict(semantics=None), "lacks ['semantics']"),
    ('rayiou', 1, dict(origins=None), '"origins": is missing'),
    ('forecast', 0, dict(times_s=None), "lacks ['times_s']"),
    ('planning', 1, dict(mask=None), "lacks ['mask']"),
    ('planning', 0, dict(frame='world'), "is 'world', expected one of"),
    ('planning', 0, dict(frame='lidar'), "but .*truth.npz is in the frame"),
]  # fmt: skip


@pytest.mark.parametrize(('task', 'side', 'arrays', 'says'), BAD_ARRAYS)
def test_bad_arrays_are_refused(task, side, arrays, says, files, refused):
    paths = files(task)
    change(paths[side], **arrays)
    errors = refused(task, paths)
    assert f'{paths[side].name}' in errors
    for part in says.split('.*'):
        assert part in errors


@pytest.mark.parametrize(
    ('task', 'field', 'bad'),
    [('occ', 'semantics', 99), ('planning', 'trajs', np.nan)],
)
def test_one_bad_sample_is_named_by_its_token(
    task, field, bad, files, refused
):
    paths = files(task)
    with np.load(paths[0]) as arrays:
        values, tokens = arrays[field], arrays['tokens']
    values[list(tokens).index('t1')] = bad
    change(paths[0], **{field: values})
    errors = refused(task, paths)
    assert f'pred.npz, field "{field}", sample t1: ' in errors


def rewrite(path, edit):
    """Change the records of a file of JSON lines."""
    records = [json.loads(line) for line in path.read_text().splitlines()]
    write_json_lines(edit(records), path)


BAD_RECORDS = [
    # Missing samples, on either side, and records that are there twice.
    *[
        (task, 0, lambda r: r[:-1], 'lacks 1 of the')
        for task in ('qa', 'caption', 'counterfactual', 'meta')
    ],
    *[
        (task, 1, lambda r: r[:-1], 'has 1 records')
        for task in ('qa', 'caption', 'counterfactual', 'meta')
    ],
    *[
        (task, side, lambda r: [*r, r[0]], 'more than once')
        for task in ('qa', 'caption', 'counterfactual', 'meta')
        for side in (0, 1)
    ],
    # Fields that are missing, or of another type.
    *[
        (task, 0, lambda r: [r[0] | {'answer': None}, *r[1:]], '"answer"')
        for task in ('qa', 'caption', 'counterfactual', 'meta')
    ],
    ('qa', 0, lambda r: [{'token': 't0'}, *r[1:]], '"question", sample t0'),
    ('qa', 1, lambda r: [r[0] | {'answer': 1.5}, *r[1:]], 'is 1.5'),
    (
        'qa',
        1,
        lambda r: [r[0] | {'template_type': 'colour'}, *r[1:]],
        '"template_type", sample t0',
    ),
    ('qa', 1, lambda r: [r[0] | {'num_hop': 2}, *r[1:]], '"num_hop", sample'),
    ('caption', 1, lambda r: [r[0] | {'answer': ' '}, *r[1:]], 'is empty'),
    (
        'counterfactual',
        1,
        lambda r: [r[0] | {'labels': ['fine']}, *r[1:]],
        '"labels", sample t0',
    ),
    (
        'meta',
        1,
        lambda r: [r[0] | {'speed': 'Fast'}, *r[1:]],
        '"speed", sample t0',
    ),
]


@pytest.mark.parametrize(('task', 'side', 'edit', 'says'), BAD_RECORDS)
def test_bad_records_are_refused(task, side, edit, says, files, refused):
    paths = files(task)
    rewrite(paths[side], edit)
    errors = refused(task, paths)
    assert paths[side].name in errors
    assert says in errors


def test_lines_that_are_no_records_are_named(files, refused):
    paths = files('qa')
    paths[0].write_text(paths[0].read_text() + '[1, 2]\n')
    assert 'pred.jsonl, line 4: holds a list' in refused('qa', paths)
    paths[0].write_text('')
    assert 'pred.jsonl: has no record' in refused('qa', paths)


def test_objects_are_never_unpickled(files, refused):
    paths = files('occ')
    change(paths[0], tokens=np.array(['t0', 't1', {}], dtype=object))
    assert 'holds Python objects' in refused('occ', paths)


def test_another_file_in_place_of_npz_is_named(files, refused):
    paths = files('occ')
    paths[0].write_text('semantics')
    assert 'pred.npz: is cut off or no npz file' in refused('occ', paths)


def test_old_scores_stay_if_an_evaluation_fails(files, command, tmp_path):
    paths = files('meta')
    out = tmp_path / 'scores.json'
    out.write_text('{}')
    paths[0].write_text('{')
    status, _, _ = command(
        'meta', '--pred', paths[0], '--gt', paths[1], '--out', out
    )
    assert status == 1
    assert out.read_text() == '{}'


def test_ptb_without_java_says_what_to_install(files, refused, monkeypatch):
    package = 'pycocoevalcap.tokenizer.ptbtokenizer'
    parts = package.split('.')
    for depth in range(1, len(parts) + 1):
        module = ModuleType('.'.join(parts[:depth]))
        monkeypatch.setitem(sys.modules, module.__name__, module)
    module.PTBTokenizer = None
    monkeypatch.setenv('PATH', '')
    errors = refused('caption', files('caption'), '--preset', 'ptb')
    assert 'runs on Java' in errors


def test_ptb_without_its_package_says_what_to_install(
    files, refused, monkeypatch
):
    monkeypatch.setitem(
        sys.modules,
        'pycocoevalcap.tokenizer.ptbtokenizer',
        None,
    )
    errors = refused('caption', files('caption'), '--preset', 'ptb')
    assert 'pip install -r requirements/optional.txt' in errors


def test_captions_without_nltk_are_scored_and_say_so(
    files, evaluate, monkeypatch
):
    monkeypatch.setitem(sys.modules, 'nltk', None)
    printed, report = evaluate('caption', files('caption'))
    assert 'METEOR' not in report['results']['raw']
    assert 'METEOR is not given: METEOR needs nltk' in printed
    assert 'python -m nltk.downloader' in report['notes'][0]
