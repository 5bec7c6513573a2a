"""Send requests to OpenAI-compatible chat endpoints, each answer only once.

An answer is read before it is kept: what its reader accepts goes to a cache on
disk under a hash of its request, and such a request is not sent again, by this
run or a later one. What the reader refuses is not kept. Requests that fail for
a passing reason are sent again after a pause that doubles each time. The audit
log names every attempt. The key is in the request's header alone: not in the
cache, the log or a message.

Only the standard library is used: which HTTP library comes along depends on
the version of transformers.
"""

import hashlib
import http.client
import json
import math
import random
import time
from collections import defaultdict
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from pathlib import Path
from threading import BoundedSemaphore, Event, Lock
from typing import TypeVar
from urllib.parse import urlsplit

from mmocc.annotation.annotator import AnnotatorError, UnreachableError
from mmocc.projects.DrivingLabels.driving_labels.chat_answer import (
    UnusableAnswerError,
)
from mmocc.projects.DrivingLabels.driving_labels.http_post import (
    HttpResponse,
    is_local,
    post,
)
from mmocc.utils.json_files import (
    JsonFileError,
    JsonLine,
    JsonLinesWriter,
    parse_json,
    read_json,
    write_json,
)

Read = TypeVar('Read')

# Statuses that a later attempt may not have, besides errors of the server
# (RFC 9110, RFC 6585).
_PASSING = {408, 409, 425, 429}
_LONGEST_PAUSE = 60.0  # s
# The share of a pause that chance takes away at most: clients that failed
# together must not come back together.
_JITTER = 0.5
# An answer is a few hundred words.
_LARGEST_RESPONSE = 4 << 20  # bytes
# How much of an error's text is shown, letters.
_SHOWN = 300
_HIDDEN = '***'
# What is read of `finish_reason`: whether the answer was cut off.
_FINISHED = ('stop', 'length')


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


class _FailedAttemptError(Exception):
    """An attempt without an answer.

    Args:
        reason (str): What happened, without the key.
        passing (bool): Whether another attempt may end otherwise.
        pause (float): Seconds that the endpoint asks to wait.
    """

    def __init__(
        self, reason: str, passing: bool = True, pause: float = 0.0
    ) -> None:
        super().__init__(reason)
        self.passing, self.pause = passing, pause


class ChatClient:
    """Sends requests to ``<base_url>/chat/completions``.

    Args:
        base_url (str): Such as ``https://api.openai.com/v1``.
        api_key (str): Sent as a bearer token; '' sends none.
        allow_plain_http (bool): Whether the key may go to another machine
            without encryption.
        cache_dir (Path): Folder of the responses.
        audit_log (Path): JSON lines, one for each attempt; only grows.
        timeout (float): Seconds until an attempt is given up, from its start
            to the last byte, whatever the endpoint does.
        max_retries (int): Attempts after the first one.
        backoff (float): Seconds of the first pause.
        concurrency (int): Requests under way at the same time.
        seed (int): Seed of the jitter.

    Raises:
        AnnotatorError: The URL, the key or a number cannot be used.
    """

    def __init__(
        self,
        base_url: str,
        api_key: str,
        allow_plain_http: bool,
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
        if api_key and not allow_plain_http:
            _check_encryption(base_url)
        _check_numbers(timeout, max_retries, backoff, concurrency)
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
        self._guard = Lock()
        self._same_request: dict[str, Lock] = defaultdict(Lock)

    def __repr__(self) -> str:
        return f'ChatClient({self.url!r})'

    def stop(self) -> None:
        """Send no further request; answers under way may still arrive."""
        self._stopped.set()

    def ask(
        self, body: dict, token: str, read: Callable[[ChatReply], Read]
    ) -> Read:
        """Return what is read from the answer to a request.

        The answer is that of the cache or else of the endpoint.

        Args:
            body (dict): The request, as JSON.
            token (str): Sample token, for the log.
            read (Callable): Turns the answer into the result, or raises
                ``UnusableAnswerError``.

        Raises:
            UnusableAnswerError: ``read`` refused the endpoint's answer.
            UnreachableError: No attempt got an answer, or the endpoint
                refuses the request.
        """
        content = json.dumps(body, sort_keys=True)
        request = hashlib.sha256(f'{self.url}\n{content}'.encode()).hexdigest()
        with self._guard:
            same_request = self._same_request[request]
        # Equal requests wait for each other: the first one asks.
        with same_request:
            kept = self._find(request)
            if kept is not None:
                with suppress(UnusableAnswerError):
                    return read(kept)
            with self._free:
                return self._get(content.encode(), request, token, read)

    def _get(
        self,
        content: bytes,
        request: str,
        token: str,
        read: Callable[[ChatReply], Read],
    ) -> Read:
        chance = random.Random(f'{self.seed} {request}')
        reason, attempts = 'stopped', self.max_retries + 1
        for attempt in range(attempts):
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
            except _FailedAttemptError as error:
                reason = str(error)
                self._audit.append(note | dict(outcome=reason))
                if not error.passing:
                    raise UnreachableError(
                        f'{self.url} refuses the request for frame {token} '
                        f'({reason}); check the base URL, the model, the key, '
                        'and whether the endpoint knows response_format and '
                        'images'
                    ) from None
                pause = backoff_pause(attempt, self.backoff, chance)
                if attempt + 1 < attempts:
                    self._stopped.wait(max(pause, error.pause))
                continue
            note['answer'] = reply.text
            try:
                result = read(reply)
            except UnusableAnswerError as error:
                self._audit.append(note | dict(outcome=f'unusable: {error}'))
                raise
            write_json(vars(reply), self._path(request))
            self._audit.append(note | dict(outcome='answered'))
            return result
        raise UnreachableError(
            f'{self.url} did not answer for frame {token} '
            f'({attempts} attempts of up to {self.timeout:g} s; '
            f'the last: {reason})'
        )

    def _attempt(self, content: bytes, request: str) -> ChatReply:
        headers = {'Content-Type': 'application/json'}
        if self._api_key:
            headers['Authorization'] = f'Bearer {self._api_key}'
        try:
            response = post(
                self.url, content, headers, self.timeout, _LARGEST_RESPONSE
            )
        except Exception as error:  # of the connection or the other side
            raise _FailedAttemptError(self._hide(_failure(error))) from None
        if response.status >= http.client.MULTIPLE_CHOICES:
            raise self._refusal(response)
        return self._parse(response.body, request)

    def _refusal(self, response: HttpResponse) -> _FailedAttemptError:
        text = response.body.decode('utf-8', 'replace')
        said = self._hide(' '.join(text.split()))[:_SHOWN]
        return _FailedAttemptError(
            f'HTTP {response.status}: {said}',
            response.status in _PASSING
            or response.status >= http.client.INTERNAL_SERVER_ERROR,
            _asked_pause(response.headers),
        )

    def _parse(self, raw: bytes, request: str) -> ChatReply:
        try:
            choice = parse_json(raw, self.url, allow_nan=True)['choices'][0]
            text = choice['message'].get('content')
            if isinstance(text, list):
                text = ''.join(part.get('text', '') for part in text)
            if not isinstance(text, str | None):
                raise TypeError
            reason = choice.get('finish_reason')
        except (
            ValueError,
            KeyError,
            IndexError,
            TypeError,
            AttributeError,
        ):
            raise _FailedAttemptError(
                'the response is no chat completion'
            ) from None
        return ChatReply(
            text=self._hide(_without_halves(text or '')),
            finish_reason=reason if reason in _FINISHED else '',
            request=request,
        )

    def _hide(self, text: str) -> str:
        """Replace the key in the text of an endpoint."""
        return text.replace(self._api_key, _HIDDEN) if self._api_key else text

    def _path(self, request: str) -> Path:
        return self.cache_dir / request[:2] / f'{request}.json'

    def _find(self, request: str) -> ChatReply | None:
        """Return the kept answer; None where there is none, or damage."""
        path = self._path(request)
        try:
            kept = JsonLine(path, 1, read_json(path, kind=dict))
            fields = ('text', 'finish_reason', 'request')
            return ChatReply(*(kept.get_field(name, str) for name in fields))
        except JsonFileError:
            return None


def backoff_pause(attempt: int, first: float, chance: random.Random) -> float:
    """Return the seconds to wait after attempt 0, 1, ...; they double."""
    pause = min(first * 2**attempt, _LONGEST_PAUSE)
    return pause * (1 - _JITTER * chance.random())


def _asked_pause(headers: http.client.HTTPMessage) -> float:
    """Return the seconds that ``Retry-After`` asks for, 0 without it.

    It holds seconds or a date (RFC 9110, 10.2.3).
    """
    asked = headers.get('Retry-After', '')
    try:
        pause = float(asked)
    except ValueError:
        try:
            pause = parsedate_to_datetime(asked).timestamp() - time.time()
        except (ValueError, OverflowError):
            return 0.0
    return min(max(pause, 0.0), _LONGEST_PAUSE) if pause == pause else 0.0


def _failure(error: Exception) -> str:
    reason = getattr(error, 'reason', error)
    if isinstance(reason, TimeoutError):
        return 'timed out'
    return f'{type(reason).__name__}: {reason}'


def _without_halves(text: str) -> str:
    """Replace halves of surrogate pairs, which no file can hold."""
    return text.encode('utf-16', 'surrogatepass').decode('utf-16', 'replace')


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


def _check_encryption(base_url: str) -> None:
    if urlsplit(base_url).scheme == 'http' and not is_local(base_url):
        raise AnnotatorError(
            f'the base URL {base_url} would send the API key to another '
            'machine without encryption; use https, unset the variable of '
            'the key, or give --allow-plain-http'
        )


def _check_numbers(
    timeout: float, max_retries: int, backoff: float, concurrency: int
) -> None:
    for name, value, least in (
        ('timeout', timeout, math.ulp(0.0)),
        ('max_retries', max_retries, 0),
        ('backoff', backoff, 0.0),
        ('concurrency', concurrency, 1),
    ):
        kind = int if isinstance(least, int) else int | float
        if not isinstance(value, kind) or not least <= value < math.inf:
            raise AnnotatorError(
                f'{name} is {value!r}, expected '
                + ('a whole number' if kind is int else 'seconds')
                + (' above 0' if least else ' from 0 on')
            )
