"""A chat endpoint on this machine that misbehaves as it is told to."""

import itertools
import json
import socket
import struct
import threading
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

GOOD = {
    'scene': 'A free road',
    'reasoning': 'Nothing is in the way',
    'speed': 'Maintain speed',
    'direction': 'Go Straight',
}
ILLEGAL = GOOD | {'direction': 'Go Backwards'}
BROKEN = 'Sure! {"scene": "A free road", "reasoning": "Nothing'

DRIP = 0.03  # s between the bytes of an endpoint that never comes to an end


def message(content: object) -> str:
    """A chat completion with any content."""
    answer = {'role': 'assistant', 'content': content}
    return json.dumps(
        {'choices': [{'message': answer, 'finish_reason': 'stop'}]}
    )


def _sized(body: bytes, size: int | str, head: str = '') -> bytes:
    lines = f'HTTP/1.1 200 OK\r\nContent-Length: {size}\r\n{head}\r\n'
    return lines.encode() + body


def _plain(body: bytes | str, head: str = '') -> bytes:
    body = body.encode() if isinstance(body, str) else body
    return _sized(body, len(body), head)


def _answer(**changes: object) -> bytes:
    return _plain(message(json.dumps(GOOD | changes)))


_WHOLE = message(json.dumps(GOOD)).encode()
_DEEP = '[' * 60_000
# What an endpoint sends, byte by byte and without end where it is a pair.
FAULTS: dict[str, bytes | tuple[bytes, Iterable[bytes]]] = {
    'close': b'',
    'reset': b'',  # and a connection that is reset
    'no http': b'\x16\x03\x01 hello\r\n\r\n',
    'no status': b'HTTP/1.1 none\r\n\r\n',
    'broken headers': b'HTTP/1.1 200 OK\r\n\xff\xfe: \x00\r\n\r\n',
    'many headers': b'HTTP/1.1 200 OK\r\n' + b'a: b\r\n' * 500 + b'\r\n',
    'drip of a status': (b'', b'HTTP/1.1 200 OK'),
    'drip of headers': (b'HTTP/1.1 200 OK\r\n', b'a: b\r\n'),
    'drip of a body': (_sized(b'', 10**6), b' '),
    'drip of chunks': (
        b'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n',
        [b'1\r\n \r\n'],
    ),
    'drip of an error': (b'HTTP/1.1 500 Sorry\r\n\r\n', b'sorry '),
    'wait, for ever': (b'', [b'HTTP/1.1 100 Continue\r\n\r\n']),
    'broken chunk': b'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz',
    'truncated': _sized(_WHOLE[:60], len(_WHOLE)),
    'short length': _sized(_WHOLE, 20),
    'odd length': _sized(_WHOLE[:60], 'many'),
    'compressed': _plain(
        b'\x1f\x8b\x08\x00junk', 'Content-Encoding: gzip\r\n'
    ),
    'no content': b'HTTP/1.1 204 No Content\r\n\r\n',
    'empty': _plain(b''),
    'html': _plain('<html>busy</html>'),
    'error in a body': _plain('{"error": {"message": "overloaded"}}'),
    'no utf-8': _plain(_WHOLE.decode().encode('utf-16')),
    'NUL bytes': _plain(b'\x00' * 100),
    'nested': _plain(_DEEP),
    'huge integer': _plain('{"created": ' + '9' * 5000 + '}'),
    'list': _plain('[]'),
    'no choices': _plain('{"choices": []}'),
    'choices null': _plain('{"choices": null}'),
    'no message': _plain('{"choices": [{}]}'),
    'message a list': _plain('{"choices": [{"message": []}]}'),
    'content a number': _plain(message(7)),
    'content an object': _plain(message(GOOD)),
    'content true': _plain(message(True)),
    'content null': _plain(message(None)),
    'content of numbers': _plain(message([{'text': 5}])),
    'half of a letter': _answer(scene='a \udc80 road'),
    'nested answer': _plain(message('{"scene": ' + _DEEP)),
    'integer in an answer': _plain(message('{"scene": ' + '9' * 5000 + '}')),
    'answer too long': _answer(scene='x' * 10**5),
    'sentence too long': _answer(scene='x' * 10**4),
    'control letters': _answer(scene='a\x00b'),
    'list for a sentence': _answer(scene=['a']),
    'number for a word': _answer(speed=3),
    'nothing': _plain(message('')),
}


class StubEndpoint:
    """Serves one step of a script for each request, then good answers.

    Steps: ``silent`` (no answer until the server closes), ``slow``,
    ``redirect``, a key of ``FAULTS``, a status as a number, or the text of a
    message.

    Args:
        script (Sequence): The steps.
        forever (str | int, optional): Step behind the script instead of good
            answers.
    """

    def __init__(
        self,
        script: Sequence[str | int] = (),
        forever: str | int = json.dumps(GOOD),
    ) -> None:
        self.script, self.forever = list(script), forever
        self.requests: list[dict] = []
        self.keys: list[str | None] = []
        self.at_once = self.most_at_once = 0
        self._guard, self._closed = threading.Lock(), threading.Event()
        stub = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                with stub._guard:
                    stub.at_once += 1
                    stub.most_at_once = max(stub.most_at_once, stub.at_once)
                stub._serve(self)
                with stub._guard:
                    stub.at_once -= 1

            def log_message(self, *_: object) -> None:
                """Say nothing."""

        self._server = ThreadingHTTPServer(('127.0.0.1', 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(
            target=self._server.serve_forever, kwargs={'poll_interval': 0.01}
        )

    @property
    def url(self) -> str:
        return f'http://127.0.0.1:{self._server.server_port}/v1'

    @property
    def repeats(self) -> int:
        """Requests that were sent more than once, counted each time."""
        counts = Counter(
            json.dumps(body, sort_keys=True) for body in self.requests
        )
        return sum(count - 1 for count in counts.values())

    def __enter__(self) -> 'StubEndpoint':
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._closed.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def _serve(self, handler: BaseHTTPRequestHandler) -> None:
        size = int(handler.headers['Content-Length'])
        body = json.loads(handler.rfile.read(size))
        key = handler.headers.get('Authorization')
        with self._guard:
            self.requests.append(body)
            self.keys.append(key)
            step = self.script.pop(0) if self.script else self.forever
        if step == 'silent':
            self._closed.wait(10)
            return
        if step == 'redirect':
            handler.send_response(307)
            handler.send_header('Location', f'{self.url}/elsewhere')
            handler.end_headers()
            return
        status, content = 200, step
        if isinstance(step, int):
            status, content = step, json.dumps({'error': f'you sent {key}'})
        elif step == 'slow':
            self._closed.wait(0.05)
            content = message(json.dumps(GOOD))
        elif step in FAULTS:
            self._fail(handler.connection, step)
            return
        else:
            content = message(step)
        handler.send_response(status)
        handler.end_headers()
        handler.wfile.write(content.encode())

    def _fail(self, connection: socket.socket, step: str) -> None:
        sent = FAULTS[step]
        begin, drops = sent if isinstance(sent, tuple) else (sent, b'')
        try:
            connection.sendall(begin)
            for drop in itertools.cycle(_drops(drops)):
                if self._closed.wait(DRIP):
                    return
                connection.sendall(drop)
            if step == 'reset':
                connection.setsockopt(
                    socket.SOL_SOCKET,
                    socket.SO_LINGER,
                    struct.pack('ii', 1, 0),
                )
                connection.close()
        except OSError:
            pass  # the client has given up


def _drops(sent: Iterable[bytes]) -> Iterator[bytes]:
    if isinstance(sent, bytes):
        return (bytes([byte]) for byte in sent)
    return iter(sent)
