import base64
import io
import json
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image
from stub_endpoint import BROKEN, GOOD, ILLEGAL, StubEndpoint

from mmocc.annotation import (
    Agent,
    AnnotatorError,
    FrameContext,
    NoAnswerError,
    Surroundings,
    UnreachableError,
    parse_chain_of_thought,
)
from mmocc.annotation.road_map import straight_way
from mmocc.registry import ANNOTATORS
from mmocc.structures import MetaAction

PATH = np.array([[0.5 * k, 4.0 * k, 0.0, 0.0] for k in range(7)])
FRAME = FrameContext(
    agents=(Agent('bus', 'vehicle.moving', 14.0, 0.3, 9.0, 2.0, np.nan),),
    surroundings=Surroundings(way=straight_way(np.zeros(3), 40.0)),
    history=(MetaAction('Accelerate', 'Go Straight'),),
    speed=8.0,
    action=MetaAction('Decelerate', 'Change Lane Left'),
    token='frame',
    path=PATH,
)


@pytest.fixture(autouse=True)
def _environment(monkeypatch):
    for name in ('OPENAI_BASE_URL', 'OPENAI_MODEL', 'OPENAI_API_KEY'):
        monkeypatch.delenv(name, raising=False)


def build(folder, url, **options):
    defaults = dict(
        type='OpenAICompatibleAnnotator',
        work_dir=str(folder),
        base_url=url,
        model='stub',
        timeout=10.0,
        backoff=0.01,
    )
    return ANNOTATORS.build(defaults | options)


def test_bad_answers_are_sent_back_with_the_reason(tmp_path):
    with StubEndpoint([BROKEN, json.dumps(ILLEGAL)]) as stub:
        text = build(tmp_path, stub.url).annotate(FRAME)
    assert parse_chain_of_thought(text).action == MetaAction(
        'Maintain speed', 'Go Straight'
    )
    assert 'History: going straight speeding up.' in text
    first, second, third = (body['messages'] for body in stub.requests)
    assert second[:2] == first
    assert second[2]['content'] == BROKEN
    assert 'is broken' in second[3]['content']
    assert "'Go Backwards', expected one of" in third[5]['content']


def test_a_model_that_never_learns_is_asked_three_times(tmp_path):
    with StubEndpoint(forever='no') as stub:
        annotator = build(tmp_path, stub.url)
        with pytest.raises(NoAnswerError, match='3 answers of stub'):
            annotator.annotate(FRAME)
        stub.forever = json.dumps(GOOD)
        assert build(tmp_path, stub.url).annotate(FRAME)
    # What cannot be used is not kept, so a later run asks again.
    assert len(stub.requests) == 4


def test_a_cut_off_answer_is_not_repaired(tmp_path):
    annotator = build(tmp_path, 'http://127.0.0.1:1/v1')
    with pytest.raises(ValueError, match='cut off behind 512 tokens'):
        annotator._read(
            type('Reply', (), dict(text=json.dumps(GOOD),
                                   finish_reason='length')), '',
        )  # fmt: skip


def test_the_label_is_not_told(tmp_path):
    with StubEndpoint() as stub:
        annotator = build(tmp_path, stub.url)
        annotator.annotate(FRAME)
        other = replace(FRAME, action=MetaAction('Accelerate', 'Turn Right'))
        annotator.annotate(other)
    assert len(stub.requests) == 1
    facts = json.loads(stub.requests[0]['messages'][1]['content'][0]['text'])
    assert facts['speed along it (m/s)'] == [8.0] * 6
    assert facts['road users'][0]['speed (m/s)'] is None
    assert facts['past actions, oldest first'] == '(Accelerate, Go Straight)'


def test_images_are_sent_small(tmp_path):
    path = tmp_path / 'front.png'
    Image.new('RGB', (1600, 900), (0, 120, 0)).save(path)
    frame = replace(FRAME, images={'CAM_FRONT': path})
    with StubEndpoint() as stub:
        build(tmp_path, stub.url, cameras=['CAM_FRONT']).annotate(frame)
        with pytest.raises(UnreachableError, match="no camera 'CAM_BACK'"):
            build(tmp_path, stub.url, cameras=['CAM_BACK']).annotate(frame)
        path.unlink()
        with pytest.raises(UnreachableError, match='cannot be read'):
            build(tmp_path, stub.url, cameras=['CAM_FRONT']).annotate(frame)
    parts = stub.requests[0]['messages'][1]['content']
    assert [part['type'] for part in parts] == ['text', 'text', 'image_url']
    url = parts[2]['image_url']['url']
    head, data = url.split(',')
    assert head == 'data:image/jpeg;base64'
    image = Image.open(io.BytesIO(base64.b64decode(data)))
    assert (image.format, image.size) == ('JPEG', (512, 288))


def test_url_model_and_key_come_from_the_environment(tmp_path, monkeypatch):
    with pytest.raises(AnnotatorError, match='OPENAI_MODEL'):
        build(tmp_path, None, model=None)
    with pytest.raises(AnnotatorError, match='OPENAI_BASE_URL'):
        build(tmp_path, None)
    with StubEndpoint() as stub:
        monkeypatch.setenv('OPENAI_BASE_URL', stub.url)
        monkeypatch.setenv('OPENAI_MODEL', 'of-the-environment')
        monkeypatch.setenv('OTHER_KEY', 'sk-other')
        build(tmp_path, None, model=None).annotate(FRAME)
        build(
            tmp_path, None, model='x', api_key_env='OTHER_KEY'
        ).annotate(FRAME)  # fmt: skip
    assert [body['model'] for body in stub.requests] == [
        'of-the-environment',
        'x',
    ]
    assert stub.keys == [None, 'Bearer sk-other']


def test_the_key_is_no_option(tmp_path):
    with pytest.raises(TypeError, match='api_key') as caught:
        build(tmp_path, 'http://localhost/v1', api_key='sk-secret')
    assert 'sk-secret' not in str(caught.value)


@pytest.mark.parametrize(
    ('name', 'kind'),
    [('schema', 'json_schema'), ('json', 'json_object'), ('text', None)],
)
def test_the_response_format_can_be_chosen(tmp_path, name, kind):
    with StubEndpoint() as stub:
        build(tmp_path, stub.url, response_format=name).annotate(FRAME)
    sent = stub.requests[0].get('response_format', {})
    assert sent.get('type') == kind


def test_fields_of_the_request_can_be_set_and_taken_out(tmp_path):
    options = dict(temperature=None, reasoning_effort='low')
    with StubEndpoint() as stub:
        build(tmp_path, stub.url, request_options=options).annotate(FRAME)
    sent = stub.requests[0]
    assert sent['reasoning_effort'] == 'low'
    assert 'temperature' not in sent and sent['max_tokens'] == 512


def test_an_unknown_response_format_is_refused(tmp_path):
    with pytest.raises(AnnotatorError, match='one of schema, json, text'):
        build(tmp_path, 'http://localhost/v1', response_format='xml')
