"""Review pages as text, and as a person uses them in a browser."""

import json
import re
from html import unescape

import pytest
from handmade_scene import SCENE, edit_line, make_infos
from mmocc_testing.browser import open_page

from mmocc.projects.DrivingLabels.driving_labels.review import (
    QueueEntry,
    Roads,
    index_page,
    page_name,
    review_scenes,
    scene_page,
)
from mmocc.structures import MetaAction
from mmocc.utils.file_names import make_file_name

STUB = '<img src=x onerror="throw 1">'
# What a test reads: the text of the state, the exported file, the queue.
REPORT = """
const text = (id) => document.getElementById(id).textContent;
const press = (key) => document.body.dispatchEvent(
  new KeyboardEvent('keydown', {key, bubbles: true}));
const pick = (word) =>
  document.querySelector(`button[data-word='${word}']`).click();
const type = (name) => {
  const input = document.getElementById('reviewer');
  input.value = name;
  input.dispatchEvent(new Event('input'));
};
const report = (name, value) => {
  const made = document.createElement('pre');
  made.id = `test-${name}`;
  made.textContent = value;
  document.body.append(made);
};
URL.createObjectURL = (blob) => {
  blob.text().then((value) => report('export', value));
  return '#';
};
const classOf = (index, kind) => document.querySelector(
  `#world .${kind}[data-frame='${index}']`).getAttribute('class');
"""


@pytest.fixture
def scene():
    queue = {
        'a2': QueueEntry(
            MetaAction('Decelerate', 'Go Straight'),
            MetaAction('Decelerate', 'Turn Right'),
            STUB,
            'they <i>disagree</i>',
        )
    }
    return review_scenes(make_infos(), queue)[0]


@pytest.fixture
def page(scene, tmp_path):
    path = tmp_path / page_name(scene)
    path.write_text(scene_page(scene, Roads(), {}))
    return path


def said(document, name):
    """What a test's script reported under a name."""
    found = re.search(
        f'<pre id="test-{name}">(.*?)</pre>', document, re.DOTALL
    )
    assert found, f'the script reported no {name}'
    return unescape(found[1])


def lines(document):
    return [json.loads(x) for x in said(document, 'export').splitlines()]


def test_page_needs_no_other_file(scene):
    text = scene_page(scene, Roads(), {'a0': b'jpeg'})
    assert 'data:image/jpeg;base64,anBlZw==' in text
    assert not re.search(r'(?:src|href)="(?!#|index\.html)', text)
    assert 'http' not in text.replace('http://www.w3.org/2000/svg', '')


def test_names_are_escaped(scene):
    for text in (scene_page(scene, Roads(), {}), index_page([scene])):
        assert SCENE not in text and STUB not in text
        assert '<b>&"1"' not in text
    assert page_name(scene) == f'{make_file_name(SCENE)}.html'
    assert 'href="scene-_b_1_b_~' in index_page([scene])


@pytest.mark.parametrize('said', [None, MetaAction('Accelerate', 'Stop')])
def test_one_opinion_is_not_worth_a_choice(said):
    rules = MetaAction('Accelerate', 'Stop')
    queue = {'a0': QueueEntry(rules, said, 'stub', 'unsure')}
    text = scene_page(review_scenes(make_infos(), queue)[0], Roads(), {})
    assert '{"reason": "unsure", "opinions": []}' in text


def test_index_counts_what_is_there(scene):
    text = index_page([scene])
    assert '1 scenes, 3 labelled frames, 1 in the' in text
    assert 'data-open="3"' in text
    assert 'title="Go Straight: 2"' in text
    assert 'title="Turn Left: 1"' in text


def test_reviewer_accepts_edits_undoes_and_exports(page):
    document = open_page(
        page,
        REPORT
        + """
        report('start', text('name') + ' ' + text('left'));
        document.getElementById('accept').click();  // a2, in the queue
        report('second', text('name') + ' ' + text('left'));
        pick('Turn Right');                         // a0
        report('edited', classOf(0, 'future'));
        pick('Stop');
        document.getElementById('undo').click();
        report('undone', classOf(0, 'key-frame') + text('state'));
        press('n');                                 // a1
        pick('Stop');                               // cannot accelerate
        report('stopped', document.querySelector(
          '#speeds [aria-pressed=true]').dataset.word);
        report('barred', document.querySelector(
          "#speeds [data-word='Accelerate']").disabled);
        press('u');
        report('left', text('left'));
        document.getElementById('export').click();  // without a name
        report('asked', text('notice'));
        type('Ada');
        document.getElementById('export').click();
        """,
    )
    assert said(document, 'asked') == 'Enter your name first.'
    assert said(document, 'start') == 'Frame 2 3 of 3 left'
    assert said(document, 'second') == 'Frame 0 2 of 3 left'
    assert said(document, 'edited') == 'future d2'
    assert said(document, 'undone') == 'key-frame d2edited'
    assert said(document, 'stopped') == 'Maintain speed'
    assert said(document, 'barred') == 'true'
    assert said(document, 'left') == '1 of 3 left'
    slower = ('Decelerate', 'Go Straight')
    assert lines(document) == [
        edit_line('a2', 2, slower, slower),
        edit_line('a0', 0, ('Maintain speed', 'Turn Right')),
    ]


def test_keys_do_what_buttons_do(page):
    document = open_page(
        page,
        REPORT
        + """
        type('Ada');
        press('2');        // a2: Turn Left
        press('f');        // Accelerate
        press('j');        // a0
        press('a');        // accept, on to a1
        press('a');        // accept
        report('left', text('left'));
        press('k');
        press('x');        // forget a0
        report('cleared', text('name') + text('left'));
        press('e');
        """,
    )
    assert said(document, 'left') == 'All done'
    assert said(document, 'cleared') == 'Frame 01 of 3 left'
    faster = ('Accelerate', 'Go Straight')
    assert lines(document) == [
        edit_line(
            'a2',
            2,
            ('Accelerate', 'Turn Left'),
            ('Decelerate', 'Go Straight'),
        ),
        edit_line('a1', 1, faster, faster),
    ]


def test_decisions_outlive_the_page(page):
    """What is stored under the page's key is read at its next start."""
    text = page.read_text()
    content = json.loads(
        re.search(r'id="content">(.*?)</script>', text, re.DOTALL)[1]
    )
    stale = edit_line('a1', 1, before=('Decelerate', 'Stop'))
    remembered = json.dumps([edit_line(), stale])
    seed = (
        f'localStorage.setItem({json.dumps(content["store"])}, '
        f'{json.dumps(remembered)});'
    )
    start = '<script type="application/json" id="content">'
    page.write_text(text.replace(start, f'<script>{seed}</script>{start}'))
    document = open_page(
        page,
        REPORT
        + """
        report('left', text('left'));
        report('notice', text('notice'));
        pick('Stop');
        report('stored', localStorage.getItem(content.store));
        """,
    )
    assert said(document, 'left') == '2 of 3 left'
    assert said(document, 'notice').startswith('1 earlier')
    # Frame 2, the open one in the queue, was stopped and kept.
    stored = json.loads(said(document, 'stored'))
    assert [line['token'] for line in stored] == ['a0', 'a2']
    assert stored[1]['direction'] == 'Stop'


def test_import_takes_what_fits(page):
    foreign = edit_line('zz')
    stale = edit_line('a1', 1, before=('Decelerate', 'Stop'))
    illegal = edit_line('a2', 2, after=('Accelerate', 'Stop'))
    rows = (edit_line(), foreign, stale, illegal)
    text = '\n'.join(map(json.dumps, rows))
    document = open_page(
        page,
        REPORT
        + f"""
        const files = new DataTransfer();
        files.items.add(new File([{json.dumps(text)}], 'x.jsonl'));
        const input = document.getElementById('import');
        input.files = files.files;
        input.dispatchEvent(new Event('change'));
        setTimeout(() => {{
          report('notice', text('notice'));
          report('left', text('left'));
          press('e');
        }}, 500);
        """,
    )
    assert said(document, 'notice') == (
        '1 decisions imported, 1 of other scenes left out, 2 about other '
        'labels left out.'
    )
    assert said(document, 'left') == '2 of 3 left'
    assert lines(document) == [edit_line()]


def test_queue_comes_first_and_frames_without_a_label_last(page):
    document = open_page(
        page,
        REPORT
        + """
        report('reason', text('queue'));
        document.querySelectorAll('#queue button')[1].click();
        report('state', text('state') + classOf(2, 'future'));
        report('order', [...document.querySelectorAll('.row')]
          .map((row) => row.dataset.frame).join(' '));
        document.querySelector(".row[data-frame='3']").click();
        pick('Stop');
        press('s');
        report('unlabelled', text('name') + text('left') + text('state'));
        """,
    )
    assert said(document, 'unlabelled') == 'Frame 32 of 3 leftno label'
    assert said(document, 'reason').startswith('they <i>disagree</i>')
    assert STUB in said(document, 'reason')
    assert said(document, 'state') == 'editedfuture d2 queued'
    assert said(document, 'order') == '2 0 1 3'


def test_chosen_frame_heads_up_in_the_close_view(page):
    """The small view turns the world so that the car drives upwards."""
    document = open_page(
        page,
        REPORT
        + """
        document.querySelector(".row[data-frame='0']").click();
        const svg = document.getElementById('ahead').getCTM();
        const matrix = document.getElementById('turned').getCTM();
        const path = document.querySelector(
          "#world .future[data-frame='0'] .path").points;
        const on = (k) => path[k].matrixTransform(matrix)
          .matrixTransform(svg.inverse());
        report('places', JSON.stringify([0, 1, 6].map(on)
          .map((p) => [p.x, p.y])));
        """,
    )
    here, after, end = json.loads(said(document, 'places'))
    assert abs(after[0] - here[0]) < abs(after[1] - here[1])
    assert after[1] < here[1]  # up
    assert end[0] < here[0]  # to the left


def test_index_counts_down_and_exports_all(scene, page, tmp_path):
    index = tmp_path / 'index.html'
    text = index_page([scene])
    key = unescape(re.search('data-store="(.*?)"', text)[1])
    seed = (
        f'localStorage.setItem({json.dumps(key)}, '
        f'{json.dumps(json.dumps([edit_line()]))});'
        "window.dispatchEvent(new Event('pageshow'));"
    )
    index.write_text(text)
    document = open_page(
        index,
        f'{REPORT}{seed}'
        """
        report('left', text('left'));
        document.getElementById('export').click();
        """,
    )
    assert said(document, 'left') == '2 left'
    assert lines(document) == [edit_line()]
