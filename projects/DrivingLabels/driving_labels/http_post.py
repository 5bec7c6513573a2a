"""Send one HTTP request that ends by its deadline, whatever comes back."""

import http.client
import ipaddress
import socket
import urllib.request
from collections.abc import Mapping
from contextlib import suppress
from threading import Thread
from typing import NamedTuple
from urllib.parse import urlsplit

_CHUNK = 1 << 16  # bytes


class HttpResponse(NamedTuple):
    """What an endpoint sent back.

    Attributes:
        status (int): Such as 200.
        headers (http.client.HTTPMessage): Its header lines.
        body (bytes): The content; of an error status, as much as came.
    """

    status: int
    headers: http.client.HTTPMessage
    body: bytes


def is_local(url: str) -> bool:
    """Return whether the host of a URL is this machine."""
    host = urlsplit(url).hostname or ''
    with suppress(ValueError):
        return ipaddress.ip_address(host).is_loopback
    return host == 'localhost'


def post(
    url: str,
    content: bytes,
    headers: Mapping[str, str],
    timeout: float,
    largest: int,
) -> HttpResponse:
    """Send a POST request and return the response, error or not.

    Redirects are not followed: they would carry the headers to another host.
    A request to this machine goes through no proxy, for the same reason.

    Args:
        url (str): With ``http`` or ``https``.
        content (bytes): The body.
        headers (Mapping[str, str]): Header lines.
        timeout (float): Seconds from the call to the last byte, looking up
            the name, connecting and all pauses of the other side included.
        largest (int): Largest number of bytes that are read.

    Raises:
        TimeoutError: The response is not whole by then.
        OSError, http.client.HTTPException: It is broken or does not come.
    """
    message = urllib.request.Request(
        url, data=content, headers=dict(headers), method='POST'
    )
    # A thread that hangs, in looking up a name for example, can be left.
    attempt = _Attempt(message, timeout, largest)
    attempt.start()
    attempt.join(timeout)
    error = attempt.error
    if attempt.is_alive():
        attempt.abort()
        error = TimeoutError('timed out')
    if error is not None and attempt.status < http.client.MULTIPLE_CHOICES:
        raise error
    return HttpResponse(attempt.status, attempt.headers, bytes(attempt.body))


class _AnyStatus(urllib.request.HTTPErrorProcessor):
    """Returns responses as they are: errors, and redirects, unfollowed."""

    def http_response(self, request, response):
        return response

    https_response = http_response


class _Attempt(Thread):
    """Sends a request; its parts can be read while it runs."""

    def __init__(
        self, message: urllib.request.Request, timeout: float, largest: int
    ) -> None:
        super().__init__(daemon=True)
        self.message, self.timeout, self.largest = message, timeout, largest
        self.status, self.headers = 0, http.client.HTTPMessage()
        self.body = bytearray()
        self.error: Exception | None = None
        self.sockets: list[socket.socket] = []

    def abort(self) -> None:
        """Shut the connection, which ends a thread that waits for bytes."""
        for each in self.sockets:
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)

    def run(self) -> None:
        try:
            with self._open() as response:
                self.status, self.headers = response.status, response.headers
                while chunk := response.read1(_CHUNK):
                    self.body += chunk
                    if len(self.body) > self.largest:
                        raise http.client.HTTPException(
                            'the response is too large'
                        )
        # Nothing but libraries and bytes of the other side is in the block.
        except Exception as error:
            self.error = error

    def _open(self) -> http.client.HTTPResponse:
        handlers = [_AnyStatus, _watched_handlers(self.sockets)]
        if is_local(self.message.full_url):
            handlers.append(urllib.request.ProxyHandler({}))
        opener = urllib.request.build_opener(*handlers)
        return opener.open(self.message, timeout=self.timeout)


def _watched_handlers(
    sockets: list[socket.socket],
) -> urllib.request.BaseHandler:
    """Make a handler of both schemes that notes its sockets."""

    def watched(kind: type[http.client.HTTPConnection]) -> type:
        class Watched(kind):
            def connect(self) -> None:
                super().connect()
                sockets.append(self.sock)

        return Watched

    class Handler(urllib.request.HTTPSHandler, urllib.request.HTTPHandler):
        def http_open(self, req):
            return self.do_open(watched(http.client.HTTPConnection), req)

        def https_open(self, req):
            return self.do_open(watched(http.client.HTTPSConnection), req)

    return Handler()
