import http.client
import json
import random
import socket
import threading
import time
from pathlib import Path

import pytest
from stub_endpoint import FAULTS, GOOD, StubEndpoint

from mmocc.annotation.annotator import AnnotatorError, UnreachableError
from mmocc.projects.DrivingLabels.driving_labels.chat_answer import (
    UnusableAnswerError,
    read_answer,
)
from mmocc.projects.DrivingLabels.driving_labels.chat_client import (
    ChatClient,
    ChatReply,
    _asked_pause,
    backoff_pause,
)
from mmocc.utils.json_files import (
    read_json_lines,
)

KEY = 'sk-very-secret-0123456789'
BODY = {'model': 'm', 'messages': []}


def whole(reply: ChatReply) -> ChatReply:
    """Accept every answer."""
    return reply


def usable(reply: ChatReply) -> str:
    return str(read_answer(reply.text, 'unknown.'))


def client(folder: Path, url: str, **changes) -> ChatClient:
    options = dict(
        api_key=KEY,
        allow_plain_http=False,
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
        reply = client(tmp_path, stub.url).ask(BODY, 'frame', whole)
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
        first = client(tmp_path, stub.url).ask(BODY, 'frame', whole)
        again = client(tmp_path, stub.url).ask(BODY, 'frame', whole)
        client(tmp_path, stub.url).ask(BODY | {'model': 'n'}, 'frame', whole)
    assert first == again
    assert len(stub.requests) == 2


def test_equal_requests_at_once_are_sent_once(tmp_path):
    with StubEndpoint() as stub:
        asker = client(tmp_path, stub.url, concurrency=8)
        threads = [
            threading.Thread(target=asker.ask, args=(BODY, 'frame', whole))
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
            threading.Thread(
                target=asker.ask, args=({'model': k}, 'frame', whole)
            )
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
            asker.ask(BODY, 'f', whole)
    assert len(stub.requests) == 2


def test_a_closed_port_ends_in_a_message(tmp_path):
    with StubEndpoint() as stub:
        url = stub.url
    with pytest.raises(UnreachableError, match='ConnectionRefusedError'):
        client(tmp_path, url, max_retries=0).ask(BODY, 'f', whole)


@pytest.mark.parametrize('step', [400, 401, 404, 'redirect'])
def test_refusals_are_not_repeated(tmp_path, step):
    with StubEndpoint([step]) as stub:
        with pytest.raises(UnreachableError, match='refuses the request'):
            client(tmp_path, stub.url).ask(BODY, 'frame', whole)
    assert len(stub.requests) == 1


def test_the_key_is_nowhere(tmp_path):
    """Not even where the endpoint repeats it in an error or an answer."""
    with StubEndpoint([503, f'your key is {KEY}', 401]) as stub:
        asker = client(tmp_path, stub.url)
        reply = asker.ask(BODY, 'frame', whole)
        with pytest.raises(UnreachableError) as caught:
            asker.ask({'model': 'other'}, 'frame', whole)
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
            asker.ask(BODY, 'frame', whole)
    assert not stub.requests


@pytest.mark.parametrize('kept', ['{', '[]', '{"text": 7}', '\udcff'])
def test_a_damaged_cache_file_is_asked_for_again(tmp_path, kept):
    with StubEndpoint() as stub:
        first = client(tmp_path, stub.url).ask(BODY, 'frame', whole)
        (file,) = (tmp_path / 'c').rglob('*.json')
        file.write_bytes(kept.encode('utf-8', 'surrogateescape'))
        for _ in range(2):
            again = client(tmp_path, stub.url).ask(BODY, 'frame', whole)
            assert again == first
    assert len(stub.requests) == 2


@pytest.mark.parametrize('fault', FAULTS)
def test_no_fault_is_kept_and_no_attempt_outlives_its_deadline(
    tmp_path, fault
):
    """Each is asked again, by the client or as one that cannot be used."""
    with StubEndpoint([fault]) as stub:
        asker = client(tmp_path, stub.url, timeout=0.25)
        begin = time.monotonic()
        try:
            asker.ask(BODY, 'frame', usable)
        except UnusableAnswerError as error:
            assert len(str(error)) < 200
            assert not list((tmp_path / 'c').rglob('*.json'))
            asker.ask(BODY, 'frame', usable)
        assert time.monotonic() - begin < 1
        assert len(stub.requests) == 2
        asker.ask(BODY, 'frame', usable)
        assert len(stub.requests) == 2
    outcomes = [
        line.values['outcome']
        for line in read_json_lines(tmp_path / 'a.jsonl')
    ]
    assert len(outcomes) == 2 and outcomes[1] == 'answered'


def test_the_deadline_holds_while_names_are_looked_up(tmp_path, monkeypatch):
    monkeypatch.setattr(
        socket, 'getaddrinfo', lambda *_, **__: time.sleep(0.6)
    )
    begin = time.monotonic()
    asker = client(
        tmp_path, 'https://example.org/v1', timeout=0.1, max_retries=1
    )
    with pytest.raises(UnreachableError, match='the last: timed out'):
        asker.ask(BODY, 'frame', whole)
    assert time.monotonic() - begin < 0.5


def test_an_error_that_drips_is_known_by_its_status(tmp_path):
    with StubEndpoint(['drip of an error']) as stub:
        client(tmp_path, stub.url, timeout=0.2).ask(BODY, 'f', whole)
    first, _ = read_json_lines(tmp_path / 'a.jsonl')
    assert first.values['outcome'].startswith('HTTP 500: s')


@pytest.mark.parametrize(
    ('asked', 'pause'),
    [('2', 2.0), ('0.5', 0.5), ('900000', 60.0), ('-3', 0.0), ('nan', 0.0),
     ('soon', 0.0), ('Thu, 01 Jan 1970 00:00:00 GMT', 0.0),
     ('Fri, 31 Dec 9999 23:59:59 GMT', 60.0)],
)  # fmt: skip
def test_a_pause_is_kept_within_a_minute(asked, pause):
    headers = http.client.HTTPMessage()
    assert _asked_pause(headers) == 0
    headers['Retry-After'] = asked
    assert _asked_pause(headers) == pause


@pytest.mark.parametrize(
    'url', ['http://example.org/v1', 'http://10.0.0.1/v1', 'http://local/v1']
)
def test_no_key_leaves_the_machine_unencrypted(tmp_path, url):
    with pytest.raises(AnnotatorError, match='--allow-plain-http') as caught:
        client(tmp_path, url)
    assert KEY not in str(caught.value)
    client(tmp_path, url, api_key='')
    client(tmp_path, url, allow_plain_http=True)
    client(tmp_path, url.replace('http', 'https'))


def test_requests_to_this_machine_pass_no_proxy(tmp_path, monkeypatch):
    monkeypatch.setenv('http_proxy', 'http://127.0.0.1:9')
    monkeypatch.delenv('no_proxy', raising=False)
    with StubEndpoint() as stub:
        client(tmp_path, stub.url, max_retries=0).ask(BODY, 'f', whole)
    assert len(stub.requests) == 1


@pytest.mark.parametrize(
    ('name', 'value'),
    [('timeout', 0), ('timeout', '20'), ('timeout', float('nan')),
     ('max_retries', -1), ('max_retries', 1.5), ('backoff', float('inf')),
     ('concurrency', 0)],
)  # fmt: skip
def test_numbers_that_make_no_sense_are_refused(tmp_path, name, value):
    with pytest.raises(AnnotatorError, match=f'{name} is .*, expected'):
        client(tmp_path, 'https://example.org/v1', **{name: value})


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
