import itertools
import json
import multiprocessing
import pickle
import random
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from mmengine.registry import DefaultScope

ROOT = Path(__file__).resolve().parents[3]
sys.path.insert(0, str(ROOT / 'tools'))

import annotate  # noqa: E402
from mmocc_testing import handmade_roads as roads  # noqa: E402
from mmocc_testing.drive_infos import drive_infos  # noqa: E402
from mmocc_testing.handmade_nuscenes import HandmadeNuScenes  # noqa: E402
from stub_endpoint import (  # noqa: E402
    BROKEN,
    FAULTS,
    GOOD,
    ILLEGAL,
    StubEndpoint,
)

from dataset_converters.nuscenes_converter import (  # noqa: E402
    ConvertOptions,
    convert_nuscenes,
)
from mmocc.datasets import NuScenesOccDataset  # noqa: E402
from mmocc.infos import load_info_file  # noqa: E402
from mmocc.projects.DrivingLabels.driving_labels import (  # noqa: E402
    chat_client,
)
from mmocc.projects.DrivingLabels.driving_labels.http_post import (  # noqa: E402
    post,
)
from mmocc.utils.json_files import (  # noqa: E402
    read_json_lines,
)

INFO = 'infos.pkl'
FRAMES, LABELLED = 12, 8
KEY = 'sk-very-secret-0123456789'
ONE = ('annotator.concurrency=1',)
FAST = ('annotator.timeout=1.0', 'annotator.backoff=0.01')


def read_lines(path: Path) -> list[dict]:
    return [line.values for line in read_json_lines(path)]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A data root with the hand-made map and one left turn."""
    folder = tmp_path / 'data'
    maps = folder / 'maps' / 'expansion'
    maps.mkdir(parents=True)
    (maps / 'boston-seaport.json').write_text(json.dumps(roads.map_tables()))
    distance = 42 + roads.cruise(FRAMES, 6.0)[0]
    infos = drive_infos(roads.left_turn(distance))
    (folder / INFO).write_bytes(pickle.dumps(infos))
    return folder


@pytest.fixture(autouse=True)
def _environment(monkeypatch):
    monkeypatch.setenv('OPENAI_API_KEY', KEY)
    for name in ('OPENAI_BASE_URL', 'OPENAI_MODEL'):
        monkeypatch.delenv(name, raising=False)


def run(root: Path, out: Path, annotator: str, *options: str) -> int:
    return annotate.main(
        [str(root / INFO), '--annotator', annotator, '--out', str(out),
         *options]
    )  # fmt: skip


def ask(root: Path, out: Path, url: str, *options: str) -> int:
    return run(
        root, out, 'openai', '--base-url', url, '--model', 'stub',
        '--cfg-options', *FAST, *options,
    )  # fmt: skip


def frames(out: Path) -> list[dict]:
    return load_info_file(out / INFO)['data_list']


def test_rules_label_a_left_turn(root, tmp_path, capsys):
    """6 m/s from 42 m on: the turn begins at 60 m, frame 6.

    Frame 2 sees 0.5 rad of it, frame 1 only 0.25 rad.
    """
    out = tmp_path / 'out'
    assert run(root, out, 'rule') == 0
    labels = [info['meta_action'] for info in frames(out)]
    assert [x['direction'] for x in labels[:LABELLED]] == [
        *['Go Straight'] * 2,
        *['Turn Left'] * 6,
    ]
    assert labels[LABELLED:] == [None] * 4
    assert frames(out)[3]['cot'].endswith('Action: Maintain speed; Turn Left.')
    statistics = json.loads((out / 'statistics.json').read_text())
    assert statistics['histogram']['chosen']['direction']['Turn Left'] == 6
    table = statistics['confusion']['rules_and_annotator']['direction']
    assert table['agreement'] == 1.0
    assert '8 of 12 frames have a label' in capsys.readouterr().out
    # Frame 1 is 14 degrees of 20: 0.28 off the threshold.
    (item,) = read_lines(out / 'review_queue.jsonl')
    assert (item['frame_idx'], item['annotator']['name']) == (1, 'rule')
    assert item['map']['confidence'] == pytest.approx(
        1 - np.rad2deg(0.25) / 20, abs=1e-3
    )


def test_rules_give_what_the_converter_gave(tmp_path):
    """All that an annotator is told can be read from an info file.

    At 6.1 m/s nobody is ever exactly beside the car: single precision
    would not tell front from back there.
    """

    def drive(time: float) -> tuple[float, float, float]:
        x, y, yaw = roads.left_turn(np.array([30 + 6.1 * time]))[0]
        return 300.0 + x, 700.0 + y, yaw

    root, out = tmp_path / 'data', tmp_path / 'out'
    HandmadeNuScenes(
        root,
        {'scene-0061': drive, 'scene-0103': drive},
        map_tables=roads.map_tables(300.0, 700.0),
    )
    report, _ = convert_nuscenes(ConvertOptions(root, 'v1.0-mini', root))
    assert annotate.main(
        [str(report.path), '--annotator', 'rule', '--out', str(out)]
    ) == 0  # fmt: skip
    before = load_info_file(report.path)['data_list']
    after = load_info_file(out / report.path.name)['data_list']
    for ours, theirs in zip(after, before, strict=True):
        for key in ('cot', 'his_meta_actions'):
            assert ours[key] == theirs[key]
        assert (ours['meta_action'] is None) == (theirs['meta_action'] is None)
        if ours['meta_action']:
            # Poses of info files have single precision.
            assert ours['meta_action'] == theirs['meta_action'] | dict(
                confidence=pytest.approx(
                    theirs['meta_action']['confidence'], abs=1e-3
                )
            )
    directions = {x['meta_action']['direction'] for x in after[:12]}
    assert directions >= {'Go Straight', 'Turn Left'}


def test_the_result_is_read_in_training(root, tmp_path):
    out = tmp_path / 'out'
    assert run(root, out, 'rule') == 0
    with DefaultScope.overwrite_default_scope('mmocc'):
        dataset = NuScenesOccDataset(
            data_root=str(root),
            ann_file=str((out / INFO).resolve()),
            pipeline=[dict(type='LoadDrivingQA', tasks=['meta_action'],
                           skip_unanswered=True),
                      dict(type='LoadMetaAction')],
        )  # fmt: skip
        sample, unlabelled = dataset[3], dataset[LABELLED]
    assert unlabelled['questions'] == []
    (question,) = sample['questions']
    assert question.answer == frames(out)[3]['cot']
    assert (sample['gt_meta']['speed'], sample['gt_meta']['direction']) == (
        0,
        1,
    )


def test_a_troubled_endpoint_loses_and_repeats_nothing(root, tmp_path, capsys):
    """It is silent, broken and illegal, fails for good, and recovers."""
    out = tmp_path / 'out'
    trouble = ['silent', 'html', BROKEN, json.dumps(ILLEGAL), 503]
    with StubEndpoint(trouble) as stub:
        assert ask(root, out, stub.url) == 0
        first = len(stub.requests)
        assert ask(root, out, stub.url) == 0
        assert len(stub.requests) == first
    # Eight frames and two corrections; three attempts got no answer and are
    # the only ones that were made again.
    assert first == LABELLED + 2 + 3
    assert stub.repeats == 3
    audit = read_lines(out / 'audit.jsonl')
    answered = [x['request'] for x in audit if x['outcome'] == 'answered']
    assert len(audit) == first
    assert len(answered) == len(set(answered)) == LABELLED
    unusable = [x for x in audit if x['outcome'].startswith('unusable: ')]
    # Requests that are under way together end in any order.
    unusable.sort(key=lambda x: trouble.index(x['answer']))
    assert [x['answer'] for x in unusable] == [BROKEN, json.dumps(ILLEGAL)]
    answers = read_lines(out / 'answers.jsonl')
    assert len({x['token'] for x in answers}) == len(answers) == LABELLED
    assert all(x['text'] for x in answers)
    assert set(stub.keys) == {f'Bearer {KEY}'}
    written = [p.read_bytes() for p in tmp_path.rglob('*') if p.is_file()]
    assert not any(KEY.encode() in content for content in written)
    assert KEY not in ''.join(capsys.readouterr())


def test_disagreement_is_settled_and_queued(root, tmp_path):
    """The stub says straight: right in frames 0 and 1, queued where not."""
    out = tmp_path / 'out'
    with StubEndpoint() as stub:
        assert ask(root, out, stub.url) == 0
    queue = read_lines(out / 'review_queue.jsonl')
    assert [x['frame_idx'] for x in queue] == [1, *range(2, 8)]
    assert queue[1]['annotator'] == dict(
        speed='Maintain speed', direction='Go Straight', name='openai'
    )
    assert 'direction differs' in queue[1]['reason']
    infos = frames(out)
    assert infos[0]['cot'].startswith('Scene: A free road.')
    # Map matching is sure of the turn, so label and words stay its own.
    assert infos[4]['meta_action']['direction'] == 'Turn Left'
    assert 'the route turns left' in infos[4]['cot']
    table = json.loads((out / 'statistics.json').read_text())['confusion'][
        'rules_and_annotator'
    ]['direction']['table']
    assert (table[0][0], table[1][0]) == (2, 6)


def test_an_endpoint_that_is_down_leaves_a_state_to_go_on_from(
    root, tmp_path, capsys
):
    out = tmp_path / 'out'
    options = (*ONE, 'annotator.max_retries=1')
    silence = (*options, 'annotator.timeout=0.05')
    with StubEndpoint([json.dumps(GOOD)] * 3, forever=503) as stub:
        assert ask(root, out, stub.url, *options) == 1
        # Three good ones, then two attempts for each of three frames, and
        # what had begun before the run gave up.
        assert len(stub.requests) >= 9
        assert 'the last: HTTP 503' in capsys.readouterr().err
        stub.forever = 'silent'
        assert ask(root, out, stub.url, *silence) == 1
        message = capsys.readouterr().err
        assert f'{stub.url}/chat/completions did not answer' in message
        assert 'the last: timed out' in message
        assert f'{out / "answers.jsonl"}, run the same command' in message
        assert not (out / INFO).exists()
        record = read_lines(out / 'answers.jsonl')
        assert len([x for x in record if x['text']]) == 3
        stub.forever, asked = json.dumps(GOOD), len(stub.requests)
        assert ask(root, out, stub.url, *options) == 0
        assert len(stub.requests) - asked == LABELLED - 3


@pytest.mark.parametrize('fault', ['content null', 400, 'redirect'])
def test_one_bad_frame_ends_nothing(root, tmp_path, capsys, fault):
    """It is marked, all else is written, and the next run asks again."""
    out = tmp_path / 'out'
    options = (*ONE, 'annotator.max_corrections=0')
    good = [json.dumps(GOOD)] * 2
    with StubEndpoint([*good, fault]) as stub:
        assert ask(root, out, stub.url, *options) == 3
        asked = len(stub.requests)
        said = capsys.readouterr()
        infos = frames(out)
        token = infos[2]['token']
        assert f'1 frames have no usable answer ({token}' in said.err
        assert '1 got no answer' in said.out and KEY not in said.err
        statistics = json.loads((out / 'statistics.json').read_text())
        assert statistics['unanswered'] == [token]
        assert infos[2]['meta_action'] and infos[2]['cot']
        assert ask(root, out, stub.url, *options) == 0
        assert len(stub.requests) == asked + 1
    with StubEndpoint() as stub:
        assert ask(root, tmp_path / 'other', stub.url, *options) == 0
    assert (out / INFO).read_bytes() == (
        tmp_path / 'other' / INFO
    ).read_bytes()


def test_damage_of_the_record_is_told(root, tmp_path, capsys):
    out = tmp_path / 'out'
    with StubEndpoint() as stub:
        assert ask(root, out, stub.url) == 0
        path = out / 'answers.jsonl'
        lines = path.read_bytes().splitlines(keepends=True)
        path.write_bytes(
            b''.join([lines[0], lines[1][:40] + b'\n', *lines[2:]])
        )
        capsys.readouterr()
        assert ask(root, out, stub.url) == 0
    assert f'warning: {path}, line 2: is cut off' in capsys.readouterr().err


def test_no_mix_of_faults_loses_a_frame(root, tmp_path, monkeypatch, long):
    """Faults in random order, all attempts measured, until nothing is left."""
    chance = random.Random(0)
    kinds = [*FAULTS, 'redirect', 400, 401, 429, 500]
    script = [chance.choice(kinds) for _ in range(60 * long)]
    timeout, lasted = 0.25, []

    def timed(*args) -> object:
        begin = time.monotonic()
        try:
            return post(*args)
        finally:
            lasted.append(time.monotonic() - begin)

    monkeypatch.setattr(chat_client, 'post', timed)
    options = (f'annotator.timeout={timeout}', 'annotator.concurrency=8')
    results = set()
    with StubEndpoint(script) as stub:
        for k in itertools.count():
            over = not stub.script
            while ask(root, tmp_path / f'{k}', stub.url, *options):
                pass  # what was left is asked for again
            results.add((tmp_path / f'{k}' / INFO).read_bytes())
            if over:
                break
    assert len(results) == 1  # every frame got the good answer each time
    print(f'{len(script)} faults, the longest attempt {max(lasted):.2f} s')
    assert max(lasted) < timeout + 1


def test_a_killed_run_goes_on(root, tmp_path):
    out = tmp_path / 'out'
    stub = StubEndpoint([json.dumps(GOOD)] * 3, forever='silent')
    # A fork of this process need not import everything again.
    process = multiprocessing.get_context('fork').Process(
        target=ask, args=(root, out, stub.url, 'annotator.timeout=60', *ONE)
    )
    process.start()
    with stub:
        while len(stub.requests) < 4:
            assert process.is_alive()
            time.sleep(0.02)
        process.kill()
        process.join()
        record = read_lines(out / 'answers.jsonl')
        assert len([x for x in record if x['text']]) == 3
        stub.forever = json.dumps(GOOD)
        assert ask(root, out, stub.url, *ONE) == 0
        # The fourth was under way when the process died.
        assert len(stub.requests) == LABELLED + 1
        assert stub.repeats == 1


def test_replay_gives_the_same_file_without_a_network(root, tmp_path):
    asked, replayed = tmp_path / 'asked', tmp_path / 'replayed'
    with StubEndpoint() as stub:
        assert ask(root, asked, stub.url) == 0
    record = str(asked / 'answers.jsonl')
    assert run(root, replayed, 'replay', '--answers', record) == 0
    assert (asked / INFO).read_bytes() == (replayed / INFO).read_bytes()


def test_what_a_person_decided_stands(root, tmp_path, capsys):
    infos = load_info_file(root / INFO)
    reviewed = dict(
        meta_action=dict(
            speed='Accelerate',
            direction='Turn Right',
            source='review',
            confidence=1.0,
        ),
        cot='by hand',
    )
    infos['data_list'][3].update(reviewed)
    (root / INFO).write_bytes(pickle.dumps(infos))
    assert run(root, tmp_path / 'out', 'rule') == 0
    info = frames(tmp_path / 'out')[3]
    assert {key: info[key] for key in reviewed} == reviewed
    assert '1 frames keep the label' in capsys.readouterr().out


def test_thresholds_come_from_a_config(root, tmp_path):
    config = tmp_path / 'labels.py'
    config.write_text('label_rules = dict(turn_angle=9.0)\n')
    out = tmp_path / 'out'
    assert run(root, out, 'rule', '--config', str(config)) == 0
    labels = [info['meta_action'] for info in frames(out)[:LABELLED]]
    assert {x['direction'] for x in labels} == {'Go Straight'}


@pytest.mark.parametrize(
    ('options', 'reason'),
    [
        (['--cfg-options', 'rules.x=1'], 'the options hold rules'),
        (['--cfg-options', 'label_rules.x=1'], 'label_rules holds x'),
        (['--cfg-options', 'label_rules.min_future=1'], 'at least 2'),
        (['--cfg-options', 'min_confidence=7'], 'from 0 to 1'),
        (['--base-url', 'http://localhost'], "'base_url'"),
        (['--config', 'none.py'], 'none.py'),
    ],
)
def test_options_that_cannot_be_followed(
    root, tmp_path, capsys, options, reason
):
    assert run(root, tmp_path / 'out', 'rule', *options) == 1
    assert reason in capsys.readouterr().err


def test_own_annotators_are_found_by_type(root, tmp_path, monkeypatch):
    (tmp_path / 'my_annotator.py').write_text(
        'from mmocc.annotation import Annotator\n'
        'from mmocc.annotation.chain_of_thought import ChainOfThought\n'
        'from mmocc.registry import ANNOTATORS\n'
        '@ANNOTATORS.register_module()\n'
        'class MyAnnotator(Annotator):\n'
        "    name = 'mine'\n"
        '    def __init__(self, scene): self.scene = scene\n'
        '    @property\n'
        '    def identity(self): return dict(type=self.name)\n'
        '    def annotate(self, context):\n'
        '        return str(ChainOfThought(\n'
        "            self.scene, 'h.', 'r.', context.action))\n"
    )
    config = tmp_path / 'config.py'
    config.write_text(
        "custom_imports = dict(imports=['my_annotator'])\n"
        "annotator = dict(scene='My scene.')\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    out = tmp_path / 'out'
    assert run(root, out, 'MyAnnotator', '--config', str(config)) == 0
    assert 'My scene.' in frames(out)[0]['cot']


def test_an_unknown_annotator_is_named(root, tmp_path, capsys):
    assert run(root, tmp_path / 'out', 'NoSuchAnnotator') == 1
    assert 'NoSuchAnnotator' in capsys.readouterr().err


def test_the_input_is_not_replaced(root, capsys):
    assert run(root, root, 'rule') == 1
    assert 'choose another --out' in capsys.readouterr().err


def test_a_missing_info_file_is_named(tmp_path, capsys):
    assert run(tmp_path, tmp_path / 'out', 'rule') == 1
    assert str(tmp_path / INFO) in capsys.readouterr().err
