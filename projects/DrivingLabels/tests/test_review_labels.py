"""From labels to pages, clicks, an exported file and new labels."""

import json
import pickle
import re
import sys
from html import unescape
from pathlib import Path

import cv2
import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parents[3] / 'tools'))

from mmocc_testing import make_occ_info, wrap_infos
from mmocc_testing.browser import open_page
from mmocc_testing.handmade_roads import map_tables

from mmocc.infos import load_info_file
from mmocc.structures import parse_meta_action

FRAMES, LABELLED = 8, 4
LABEL = ('Maintain speed', 'Go Straight')
LEFT = ('Maintain speed', 'Turn Left')
RIGHT = ('Maintain speed', 'Turn Right')


@pytest.fixture(scope='module')
def review(load_tool):
    return load_tool('projects/DrivingLabels/tools/review_labels.py')


@pytest.fixture(scope='module')
def apply(load_tool):
    return load_tool('projects/DrivingLabels/tools/apply_review.py')


def make_frames(scene: int) -> list[dict]:
    """Straight on at 6 m/s on the eastbound lane of the handmade map."""
    infos = []
    for k in range(FRAMES):
        info = make_occ_info(scene, k, FRAMES)
        label = None
        if k < LABELLED:
            label = dict(zip(('speed', 'direction'), LABEL, strict=True))
            label.update(source='map', confidence=0.25 * k)
        info.update(
            meta_action=label,
            cot='Action: Maintain speed; Go Straight.' if label else '',
        )
        infos.append(info)
    return infos


@pytest.fixture
def root(tmp_path):
    """Two scenes with front images and a map."""
    infos = [info for scene in range(2) for info in make_frames(scene)]
    image = np.zeros((300, 640, 3), dtype=np.uint8)
    folder = tmp_path / 'samples' / 'CAM_FRONT'
    folder.mkdir(parents=True)
    for info in infos:
        name = info['images']['CAM_FRONT']['img_path']
        cv2.imwrite(str(folder / name), image)
    expansion = tmp_path / 'maps' / 'expansion'
    expansion.mkdir(parents=True)
    tables = map_tables(x=80.0, y=50.0)
    (expansion / 'boston-seaport.json').write_text(json.dumps(tables))
    (tmp_path / 'infos.pkl').write_bytes(pickle.dumps(wrap_infos(infos)))
    return tmp_path


def token(root, index):
    return load_info_file(root / 'infos.pkl')['data_list'][index]['token']


def line(root, index=0, after=LEFT, before=LABEL, **changes):
    return {
        'token': token(root, index),
        'scene_name': 'scene-0001',
        'frame_idx': index,
        'speed': after[0],
        'direction': after[1],
        'status': 'accepted' if after == before else 'edited',
        'before': {'speed': before[0], 'direction': before[1]},
        'reviewer': 'Ada',
    } | changes


def write_lines(path, *lines):
    path.write_text(''.join(json.dumps(item) + '\n' for item in lines))
    return path


def run_apply(apply, root, *edits, out='new.pkl', infos='infos.pkl', more=()):
    apply.main(
        [
            str(root / infos),
            *map(str, edits),
            '--out',
            str(root / out),
            *more,
        ]
    )
    return root / out


def test_from_a_click_to_the_info_file(review, apply, root):
    review.main([str(root / 'infos.pkl'), '--out', str(root / 'pages')])
    document = open_page(
        root / 'pages' / 'scene-0001.html',
        """
        URL.createObjectURL = (blob) => {
          blob.text().then((text) => {
            const made = document.createElement('pre');
            made.id = 'exported';
            made.textContent = text;
            document.body.append(made);
          });
          return '#';
        };
        const input = document.getElementById('reviewer');
        input.value = 'Ada';
        const click = (selector) => document.querySelector(selector).click();
        click('#accept');
        click("[data-word='Turn Left']");
        click("[data-word='Stop']");
        click('#undo');
        click('#export');
        """,
    )
    text = unescape(
        re.search(r'<pre id="exported">(.*?)</pre>', document, re.DOTALL)[1]
    )
    assert list(map(json.loads, text.splitlines())) == [
        line(root, 0, LABEL),
        line(root, 1, LEFT),
    ]
    (root / 'edits.jsonl').write_text(text)
    new = run_apply(apply, root, root / 'edits.jsonl')
    old = load_info_file(root / 'infos.pkl')['data_list']
    infos = load_info_file(new)['data_list']
    labels = [info['meta_action'] for info in infos]
    assert [x and x['source'] for x in labels[:5]] == [
        'review',
        'review',
        'map',
        'map',
        None,
    ]
    assert labels[1]['direction'] == 'Turn Left'
    assert [i['his_meta_actions'] for i in infos] == [
        i['his_meta_actions'] for i in old
    ]
    assert (infos[0]['cot'], infos[1]['cot']) == (old[0]['cot'], '')


def test_pages_hold_images_roads_and_the_queue(review, root, capsys):
    pair = {'speed': LABEL[0], 'direction': LABEL[1]}
    entry = {
        'token': token(root, 2),
        'map': pair | {'confidence': 0.5},
        'annotator': pair | {'name': 'stub'},
        'reason': 'unsure',
    }
    queue = write_lines(root / 'q.jsonl', entry, entry | {'token': 'other'})
    review.main(
        [
            str(root / 'infos.pkl'),
            '--out',
            str(root / 'pages'),
            '--queue',
            str(queue),
            '--scenes',
            'scene-0001',
        ]
    )
    text = (root / 'pages' / 'scene-0001.html').read_text()
    assert text.count('data:image/jpeg;base64,') == FRAMES
    assert 'class="lane"' in text and 'class="crosswalk"' in text
    assert text.count('class="key-frame d0 queued"') == 1
    assert not (root / 'pages' / 'scene-0002.html').exists()
    said = capsys.readouterr().out
    assert '1 of 2 frames' in said and '1 scenes' in said


def test_images_are_shrunk_or_left_out(review, root):
    path = root / 'samples' / 'CAM_FRONT'
    image = review.small_jpeg(next(path.iterdir()), 160, 70)
    decoded = cv2.imdecode(np.frombuffer(image, np.uint8), cv2.IMREAD_COLOR)
    assert decoded.shape == (75, 160, 3)
    argv = [str(root / 'infos.pkl'), '--out', str(root / 'pages')]
    review.main([*argv, '--no-images'])
    assert 'image/jpeg' not in (root / 'pages/scene-0001.html').read_text()


def test_images_of_own_cameras_are_where_their_infos_say(review, root):
    infos = load_info_file(root / 'infos.pkl')['data_list']
    for info in infos:
        name = info['images']['CAM_FRONT']['img_path']
        info['images']['CAM_FRONT']['img_path'] = f'drive/front/{name}'
    (root / 'drive').mkdir()
    (root / 'samples' / 'CAM_FRONT').rename(root / 'drive' / 'front')
    images = review.front_images(infos, root, 160, 70)
    assert set(images) == {info['token'] for info in infos}


def test_missing_files_are_named(review, root, capsys):
    argv = [str(root / 'infos.pkl'), '--out', str(root / 'pages')]
    with pytest.raises(SystemExit, match=r'scene-9.*scene-0001'):
        review.main([*argv, '--scenes', 'scene-9'])
    (root / 'maps/expansion/boston-seaport.json').unlink()
    review.load_roads.cache_clear()
    review.main([*argv, '--no-images'])
    assert "no map of 'boston-seaport'" in capsys.readouterr().out
    next((root / 'samples/CAM_FRONT').iterdir()).unlink()
    with pytest.raises(SystemExit, match=r'CAM_FRONT.*--no-images'):
        review.main(argv)


def test_applying_twice_gives_the_same_bytes(apply, root, capsys):
    edits = write_lines(root / 'edits.jsonl', line(root), line(root, 1, LABEL))
    once = run_apply(apply, root, edits)
    first = once.read_bytes()
    twice = run_apply(apply, root, edits, infos='new.pkl', out='again.pkl')
    assert twice.read_bytes() == first
    assert '2 of them were in the file already' in capsys.readouterr().out
    in_place = run_apply(apply, root, edits, infos='new.pkl')
    assert in_place.read_bytes() == first
    found = json.loads((root / 'new.pkl.review.json').read_text())
    assert (found['accepted'], found['edited']) == (1, 1)


def test_rule_texts_lead_to_the_new_action(apply, root):
    edits = write_lines(root / 'edits.jsonl', line(root, 1, LEFT))
    new = run_apply(apply, root, edits, more=['--rule-texts'])
    infos = load_info_file(new)['data_list']
    action = parse_meta_action(infos[1]['cot'])
    assert tuple(action) == LEFT
    assert 'the route turns left' in infos[1]['cot']
    assert infos[0]['cot'] == 'Action: Maintain speed; Go Straight.'
    again = run_apply(
        apply, root, edits, infos='new.pkl', out='b.pkl', more=['--rule-texts']
    )
    assert again.read_bytes() == new.read_bytes()
    # A text that an earlier run took out can be written later.
    run_apply(apply, root, edits, out='bare.pkl')
    later = run_apply(
        apply, root, edits, infos='bare.pkl', more=['--rule-texts']
    )
    assert later.read_bytes() == new.read_bytes()


@pytest.mark.parametrize(
    ('changes', 'message'),
    [
        ({'before': {'speed': 'Decelerate', 'direction': 'Stop'}}, 'before'),
        ({'token': 'zz'}, 'no such token'),
        ({'speed': 'Accelerate', 'direction': 'Stop'}, 'no label'),
    ],
)
def test_refused_edits_write_nothing(apply, root, changes, message):
    edits = write_lines(root / 'edits.jsonl', line(root) | changes)
    with pytest.raises(SystemExit, match=message) as caught:
        run_apply(apply, root, edits)
    named = changes.get('token', token(root, 0))
    assert f'{edits}, line 1, token {named!r}' in str(caught.value)
    assert not (root / 'new.pkl').exists()


def test_later_file_wins_only_if_asked(apply, root, capsys):
    one = write_lines(root / 'one.jsonl', line(root))
    two = write_lines(root / 'two.jsonl', line(root, 0, RIGHT))
    with pytest.raises(SystemExit, match='--later-wins'):
        run_apply(apply, root, one, two)
    new = run_apply(apply, root, one, two, more=['--later-wins'])
    label = load_info_file(new)['data_list'][0]['meta_action']
    assert label['direction'] == 'Turn Right'
    said = capsys.readouterr().out
    assert 'Ada: 1 reviewed, 0 accepted, 1 edited (100.0% edited)' in said
    assert 'Maintain speed; Go Straight -> Maintain speed; Turn Right' in said
