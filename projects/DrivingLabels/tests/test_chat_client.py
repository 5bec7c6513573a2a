import json
import random
import threading
from pathlib import Path

import pytest
from stub_endpoint import GOOD, StubEndpoint

from mmocc.annotation.annotator import AnnotatorError, UnreachableError
from mmocc.projects.DrivingLabels.driving_labels.chat_client import (
    ChatClient,
    backoff_pause,
)
from mmocc.utils.json_files import (
    read_json_lines,
)

KEY = 'sk-very-secret-0123456789'
BODY = {'model': 'm', 'messages': []}


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch):
    monkeypatch.setenv('no_proxy', '127.0.0.1')


def client(folder: Path, url: str, **changes) -> ChatClient:
    options = dict(
        api_key=KEY,
        timeout=1.0,
        max_retries=3,
        backoff=0.01,
        concurrency=2,
        seed=0,
    )
    return ChatClient(
        url, cache_dir=folder / 'c', audit_log=folder / 'a.jsonl',
        **(options | changes),
    )  # fmt: skip


def test_passing_failures_are_tried_again_and_logged(tmp_path):
    with StubEndpoint(['silent', 'html', 503]) as stub:
        reply = client(tmp_path, stub.url).ask(BODY, 'frame')
    assert json.loads(reply.text) == GOOD
    outcomes = [
        line.values['outcome']
        for line in read_json_lines(tmp_path / 'a.jsonl')
    ]
    assert outcomes[:2] == ['timed out', 'the response is no chat completion']
    assert outcomes[2].startswith('HTTP 503')
    assert outcomes[3] == 'answered'
    assert stub.keys == [f'Bearer {KEY}'] * 4


def test_what_was_answered_is_never_asked_again(tmp_path):
    with StubEndpoint() as stub:
        first = client(tmp_path, stub.url).ask(BODY, 'frame')
        again = client(tmp_path, stub.url).ask(BODY, 'frame')
        client(tmp_path, stub.url).ask(BODY | {'model': 'n'}, 'frame')
    assert first == again
    assert len(stub.requests) == 2


def test_equal_requests_at_once_are_sent_once(tmp_path):
    with StubEndpoint() as stub:
        asker = client(tmp_path, stub.url, concurrency=8)
        threads = [
            threading.Thread(target=asker.ask, args=(BODY, 'frame'))
            for _ in range(8)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert len(stub.requests) == 1


def test_no_more_requests_at_once_than_allowed(tmp_path):
    with StubEndpoint(forever='slow') as stub:
        asker = client(tmp_path, stub.url, concurrency=2)
        threads = [
            threading.Thread(target=asker.ask, args=({'model': k}, 'frame'))
            for k in range(8)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert len(stub.requests) == 8
    assert stub.most_at_once <= 2


def test_silence_ends_in_a_message(tmp_path):
    with StubEndpoint(forever='silent') as stub:
        asker = client(tmp_path, stub.url, max_retries=1, timeout=0.05)
        with pytest.raises(
            UnreachableError, match=r'frame f \(2 attempts .*: timed out\)'
        ):
            asker.ask(BODY, 'f')
    assert len(stub.requests) == 2


def test_a_closed_port_ends_in_a_message(tmp_path):
    with StubEndpoint() as stub:
        url = stub.url
    with pytest.raises(UnreachableError, match='ConnectionRefusedError'):
        client(tmp_path, url, max_retries=0).ask(BODY, 'f')


@pytest.mark.parametrize('step', [400, 401, 404, 'redirect'])
def test_refusals_are_not_repeated(tmp_path, step):
    with StubEndpoint([step]) as stub:
        with pytest.raises(AnnotatorError, match='refuses the request'):
            client(tmp_path, stub.url).ask(BODY, 'frame')
    assert len(stub.requests) == 1


def test_the_key_is_nowhere(tmp_path):
    """Not even where the endpoint repeats it in an error or an answer."""
    with StubEndpoint([503, f'your key is {KEY}', 401]) as stub:
        asker = client(tmp_path, stub.url)
        reply = asker.ask(BODY, 'frame')
        with pytest.raises(AnnotatorError) as caught:
            asker.ask({'model': 'other'}, 'frame')
    assert reply.text == 'your key is ***'
    assert KEY not in f'{caught.value}{asker!r}'
    files = [p for p in tmp_path.rglob('*') if p.is_file()]
    assert len(files) == 2
    assert not any(KEY in p.read_text() for p in files)


def test_a_stopped_client_sends_nothing(tmp_path):
    with StubEndpoint() as stub:
        asker = client(tmp_path, stub.url)
        asker.stop()
        with pytest.raises(UnreachableError, match='stopped'):
            asker.ask(BODY, 'frame')
    assert not stub.requests


def test_a_broken_cache_file_is_named(tmp_path):
    with StubEndpoint() as stub:
        client(tmp_path, stub.url).ask(BODY, 'frame')
        (file,) = (tmp_path / 'c').rglob('*.json')
        file.write_text('{')
        with pytest.raises(AnnotatorError, match='delete the file'):
            client(tmp_path, stub.url).ask(BODY, 'frame')


@pytest.mark.parametrize(
    'url',
    [
        'api.example.org/v1',
        'file:///etc/passwd',
        'https://user:pw@example.org',
        'https://example.org/v1?api-key=pw',
    ],
)
def test_urls_with_secrets_or_without_host_are_refused(tmp_path, url):
    with pytest.raises(AnnotatorError, match='base URL') as caught:
        client(tmp_path, url)
    assert 'pw' not in str(caught.value)


@pytest.mark.parametrize('key', ['two words', 'line\nbreak', 'schlüssel'])
def test_broken_keys_are_refused_unseen(tmp_path, key):
    with pytest.raises(AnnotatorError, match='API key') as caught:
        client(tmp_path, 'http://localhost/v1', api_key=key)
    assert key not in str(caught.value)


def test_pauses_double_up_to_a_minute_with_jitter():
    def pauses(seed: int) -> list[float]:
        chance = random.Random(seed)
        return [backoff_pause(k, 1.0, chance) for k in range(10)]

    for k, pause in enumerate(pauses(0)):
        full = min(2.0**k, 60.0)
        assert full / 2 <= pause <= full
    assert pauses(0) == pauses(0) != pauses(1)
