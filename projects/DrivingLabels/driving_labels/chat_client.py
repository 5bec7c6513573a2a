"""Send requests to OpenAI-compatible chat endpoints, each answer only once.

Every usable response goes to a cache on disk before it is used, under a hash
of its request, so no request that was answered is sent again, by this run or
a later one. Requests that fail for a passing reason are sent again after a
pause that doubles each time. The audit log names every attempt. The key is in
the request's header alone: not in the cache, the log or a message.

Only the standard library is used: which HTTP library comes along depends on
the version of transformers.
"""

import hashlib
import http.client
import json
import random
import time
import urllib.error
import urllib.request
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from threading import BoundedSemaphore, Event, Lock
from urllib.parse import urlsplit

from mmocc.annotation.annotator import AnnotatorError, UnreachableError
from mmocc.utils.atomic import atomic_open
from mmocc.utils.json_files import (
    JsonFileError,
    JsonLinesWriter,
    parse_json,
    read_json,
)

# Statuses that a later attempt may not have (RFC 9110, RFC 6585).
_PASSING = {408, 409, 425, 429, 500, 502, 503, 504, 529}
_LONGEST_PAUSE = 60.0  # s
# The share of a pause that chance takes away at most: clients that failed
# together must not come back together.
_JITTER = 0.5
# An answer is a few hundred words.
_LARGEST_RESPONSE = 4 << 20  # bytes
_CHUNK = 1 << 16  # bytes
# How much of an error's text is shown, letters.
_SHOWN = 300
_HIDDEN = '***'


@dataclass(frozen=True)
class ChatReply:
    """Answer of an endpoint.

    Attributes:
        text (str): The message; empty where the model refused.
        finish_reason (str): ``stop``, or ``length`` where it was cut off.
        request (str): Hash of the request.
    """

    text: str
    finish_reason: str
    request: str


class _PassingError(Exception):
    """A failed attempt that is worth another one.

    Args:
        reason (str): What happened, without the key.
        pause (float): Seconds that the endpoint asks to wait.
    """

    def __init__(self, reason: str, pause: float = 0.0) -> None:
        super().__init__(reason)
        self.pause = pause


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """Refuse redirects, which would carry the key to another host."""

    def redirect_request(self, req, fp, code, msg, headers, newurl):
        return None


class ChatClient:
    """Sends requests to ``<base_url>/chat/completions``.

    Args:
        base_url (str): Such as ``https://api.openai.com/v1``.
        api_key (str): Sent as a bearer token; '' sends none.
        cache_dir (Path): Folder of the responses.
        audit_log (Path): JSON lines, one for each attempt; only grows.
        timeout (float): Seconds until an attempt is given up, from its start
            to the last byte.
        max_retries (int): Attempts after the first one.
        backoff (float): Seconds of the first pause.
        concurrency (int): Requests under way at the same time.
        seed (int): Seed of the jitter.

    Raises:
        AnnotatorError: The URL or the key cannot be used.
    """

    def __init__(
        self,
        base_url: str,
        api_key: str,
        cache_dir: Path,
        audit_log: Path,
        timeout: float,
        max_retries: int,
        backoff: float,
        concurrency: int,
        seed: int,
    ) -> None:
        _check_url(base_url)
        _check_key(api_key)
        self.url = f'{base_url.rstrip("/")}/chat/completions'
        self.cache_dir = Path(cache_dir)
        self.timeout = timeout
        self.max_retries = max_retries
        self.backoff = backoff
        self.seed = seed
        self._api_key = api_key
        self._audit = JsonLinesWriter(audit_log)
        self._free = BoundedSemaphore(concurrency)
        self._stopped = Event()
        self._opener = urllib.request.build_opener(_NoRedirect)
        self._guard = Lock()
        self._same_request: dict[str, Lock] = defaultdict(Lock)

    def __repr__(self) -> str:
        return f'ChatClient({self.url!r})'

    def stop(self) -> None:
        """Send no further request; answers under way may still arrive."""
        self._stopped.set()

    def ask(self, body: dict, token: str) -> ChatReply:
        """Return the answer to a request, from the cache or the endpoint.

        Args:
            body (dict): The request, as JSON.
            token (str): Sample token, for the log.

        Raises:
            UnreachableError: No attempt got an answer.
            AnnotatorError: The endpoint refuses such requests.
        """
        content = json.dumps(body, ensure_ascii=False, sort_keys=True)
        request = hashlib.sha256(f'{self.url}\n{content}'.encode()).hexdigest()
        with self._guard:
            same_request = self._same_request[request]
        # Equal requests wait for each other: the first one asks.
        with same_request:
            reply = self._find(request)
            if reply is None:
                with self._free:
                    reply = self._get(content.encode(), request, token)
        return reply

    def _get(self, content: bytes, request: str, token: str) -> ChatReply:
        chance = random.Random(f'{self.seed} {request}')
        reason = 'stopped'
        for attempt in range(self.max_retries + 1):
            if self._stopped.is_set():
                break
            note = dict(
                time=time.strftime('%Y-%m-%dT%H:%M:%SZ', time.gmtime()),
                token=token,
                request=request,
                attempt=attempt,
            )
            try:
                reply = self._attempt(content, request)
            except (_PassingError, AnnotatorError) as error:
                reason = str(error)
                self._audit.append(note | dict(outcome=reason))
                if isinstance(error, AnnotatorError):
                    raise
                pause = backoff_pause(attempt, self.backoff, chance)
                if attempt < self.max_retries:
                    self._stopped.wait(max(pause, error.pause))
                continue
            self._keep(reply)
            self._audit.append(
                note | dict(outcome='answered', answer=reply.text)
            )
            return reply
        raise UnreachableError(
            f'{self.url} did not answer for frame {token} '
            f'({self.max_retries + 1} attempts of up to {self.timeout:g} s; '
            f'the last: {reason})'
        )

    def _attempt(self, content: bytes, request: str) -> ChatReply:
        headers = {'Content-Type': 'application/json'}
        if self._api_key:
            headers['Authorization'] = f'Bearer {self._api_key}'
        message = urllib.request.Request(
            self.url, data=content, headers=headers, method='POST'
        )
        deadline = time.monotonic() + self.timeout
        try:
            with self._opener.open(message, timeout=self.timeout) as response:
                raw = _read(response, deadline)
        except urllib.error.HTTPError as error:
            raise self._refusal(error) from None
        except (OSError, http.client.HTTPException) as error:
            raise _PassingError(self._hide(_failure(error))) from None
        return self._parse(raw, request)

    def _refusal(
        self, error: urllib.error.HTTPError
    ) -> _PassingError | AnnotatorError:
        try:
            text = error.read(_CHUNK).decode('utf-8', 'replace')
        except (OSError, http.client.HTTPException):
            text = ''
        said = self._hide(' '.join(text.split()))[:_SHOWN]
        reason = f'HTTP {error.code}: {said}'
        if error.code in _PASSING:
            return _PassingError(reason, _asked_pause(error.headers))
        return AnnotatorError(
            f'{self.url} refuses the request ({reason}); check the base URL, '
            'the model, the key, and whether the endpoint knows '
            'response_format and images'
        )

    def _parse(self, raw: bytes, request: str) -> ChatReply:
        try:
            choice = parse_json(raw, self.url)['choices'][0]
            text = choice['message'].get('content')
            if isinstance(text, list):
                text = ''.join(part.get('text', '') for part in text)
        except (
            ValueError,
            KeyError,
            IndexError,
            TypeError,
            AttributeError,
        ):
            raise _PassingError('the response is no chat completion') from None
        return ChatReply(
            text=self._hide(text or ''),
            finish_reason=str(choice.get('finish_reason') or ''),
            request=request,
        )

    def _hide(self, text: str) -> str:
        """Replace the key in the text of an endpoint."""
        return text.replace(self._api_key, _HIDDEN) if self._api_key else text

    def _path(self, request: str) -> Path:
        return self.cache_dir / request[:2] / f'{request}.json'

    def _find(self, request: str) -> ChatReply | None:
        path = self._path(request)
        if not path.is_file():
            return None
        try:
            return ChatReply(**read_json(path, kind=dict))
        except (JsonFileError, TypeError) as error:
            raise AnnotatorError(
                f'the cached response {path} cannot be read ({error}); '
                'delete the file to ask again'
            ) from error

    def _keep(self, reply: ChatReply) -> None:
        with atomic_open(self._path(reply.request), 'w') as file:
            json.dump(vars(reply), file, ensure_ascii=False)


def backoff_pause(attempt: int, first: float, chance: random.Random) -> float:
    """Return the seconds to wait after attempt 0, 1, ...; they double."""
    pause = min(first * 2**attempt, _LONGEST_PAUSE)
    return pause * (1 - _JITTER * chance.random())


def _asked_pause(headers: http.client.HTTPMessage) -> float:
    """Return the seconds of ``Retry-After``, 0 without that header."""
    asked = headers.get('Retry-After', '')
    return min(float(asked), _LONGEST_PAUSE) if asked.isdecimal() else 0.0


def _failure(error: Exception) -> str:
    reason = getattr(error, 'reason', error)
    if isinstance(reason, TimeoutError):
        return 'timed out'
    return f'{type(reason).__name__}: {reason}'


def _read(response: http.client.HTTPResponse, deadline: float) -> bytes:
    """Read a body until a deadline, however slowly it arrives."""
    body = b''
    while chunk := response.read1(_CHUNK):
        body += chunk
        if time.monotonic() > deadline:
            raise TimeoutError
        if len(body) > _LARGEST_RESPONSE:
            raise http.client.HTTPException('the response is too large')
    return body


def _check_url(base_url: str) -> None:
    parts = urlsplit(base_url)
    if parts.scheme not in ('http', 'https') or not parts.hostname:
        raise AnnotatorError(
            'the base URL of the endpoint must look like '
            'https://api.openai.com/v1'
        )
    if parts.username or parts.password or parts.query or parts.fragment:
        raise AnnotatorError(
            f'the base URL of {parts.hostname} holds a user, a password or a '
            'query, which would get into logs; give the key through the '
            'environment'
        )


def _check_key(api_key: str) -> None:
    if not api_key.isascii() or any(
        not letter.isprintable() or letter.isspace() for letter in api_key
    ):
        raise AnnotatorError(
            'the API key holds a space, a line break or a letter that is not '
            'ASCII; set its environment variable again'
        )
