"""The client's patience with an API server that is busy."""

from __future__ import annotations

import httpx2
import pytest

from installer.kubernetes.client import Patient

BUSY = httpx2.Response(429, headers={"Retry-After": "1"})
REFUSED = httpx2.Response(429)
DONE = httpx2.Response(200)


class Answers(httpx2.BaseTransport):
    """Gives these answers, one after the other."""

    def __init__(self, *answers: httpx2.Response) -> None:
        self.left = list(answers)

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        return self.left.pop(0)


@pytest.mark.parametrize(
    ("method", "answers", "seen", "slept"),
    [
        ("GET", [DONE], 200, 0),
        ("GET", [BUSY, BUSY, DONE], 200, 2),
        ("GET", [REFUSED, DONE], 429, 0),  # nobody said that it would help
        ("POST", [BUSY, DONE], 429, 0),  # an eviction that a budget forbids is answered like this
        ("GET", [BUSY] * 6, 429, 5),  # not for ever
    ],
)
def test_a_read_is_repeated_while_the_server_asks_for_it(
    method: str, answers: list[httpx2.Response], seen: int, slept: int
) -> None:
    """Reads alone, and only where the answer says when to come again."""
    pauses: list[float] = []
    transport = Patient(Answers(*answers), ["https://api"], pauses.append)
    assert transport.handle_request(httpx2.Request(method, "https://api/")).status_code == seen
    assert len(pauses) == slept


class Servers(httpx2.BaseTransport):
    """Servers that answer with their names, except those that are down."""

    def __init__(self, down: dict[str, type[httpx2.TransportError]]) -> None:
        self.down = down
        self.asked: list[str] = []

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        self.asked.append(request.url.host)
        assert request.headers["Host"] == f"{request.url.host}:6443"
        assert request.url.path == "/version"
        if error := self.down.get(request.url.host):
            raise error("down")
        return httpx2.Response(200, text=request.url.host, stream=None)


NAMES = ["https://a:6443", "https://b:6443", "https://c:6443"]


@pytest.mark.parametrize(
    ("method", "error", "goes_on"),
    [
        ("GET", httpx2.ConnectError, True),
        ("GET", httpx2.ReadTimeout, True),
        ("PATCH", httpx2.ConnectTimeout, True),
        ("PATCH", httpx2.ReadTimeout, False),  # it may have been done
    ],
)
def test_another_server_is_asked_when_one_is_away(
    method: str, error: type[httpx2.TransportError], goes_on: bool
) -> None:
    """Unless the request may have been carried out."""
    servers = Servers({"a": error})
    transport = Patient(servers, NAMES)
    request = httpx2.Request(method, "https://a:6443/version")
    if not goes_on:
        with pytest.raises(error):
            transport.handle_request(request)
        assert servers.asked == ["a"]
        return
    assert transport.handle_request(request).status_code == 200
    transport.handle_request(request)
    assert servers.asked == ["a", "b", "b"]


def test_no_server_is_told_as_it_is() -> None:
    """With the error of the last one, after each was asked once."""
    servers = Servers(dict.fromkeys("abc", httpx2.ConnectError))
    with pytest.raises(httpx2.ConnectError):
        Patient(servers, NAMES).handle_request(httpx2.Request("GET", "https://a:6443/version"))
    assert servers.asked == ["a", "b", "c"]
