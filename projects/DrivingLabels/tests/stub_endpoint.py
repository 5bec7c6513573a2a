"""A chat endpoint on this machine that misbehaves as it is told to."""

import json
import threading
from collections import Counter
from collections.abc import Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

GOOD = {
    'scene': 'A free road',
    'reasoning': 'Nothing is in the way',
    'speed': 'Maintain speed',
    'direction': 'Go Straight',
}
ILLEGAL = GOOD | {'direction': 'Go Backwards'}
BROKEN = 'Sure! {"scene": "A free road", "reasoning": "Nothing'


class StubEndpoint:
    """Serves one step of a script for each request, then good answers.

    Steps: ``silent`` (no answer until the server closes), ``slow``,
    ``redirect``, ``html`` (no JSON), a status as a number, or the text of a
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
            content = self._message(json.dumps(GOOD))
        elif step == 'html':
            content = '<html>busy</html>'
        else:
            content = self._message(step)
        handler.send_response(status)
        handler.end_headers()
        handler.wfile.write(content.encode())

    @staticmethod
    def _message(text: str) -> str:
        message = {'role': 'assistant', 'content': text}
        return json.dumps(
            {'choices': [{'message': message, 'finish_reason': 'stop'}]}
        )
