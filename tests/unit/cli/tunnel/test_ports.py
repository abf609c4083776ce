"""Which port a tunnel takes."""

import socket

import pytest

from hoopctl.errors import HoopctlError
from hoopctl.tunnel import ports


def number(listener: socket.socket) -> int:
    port: int = listener.getsockname()[1]
    return port


def test_it_listens_on_loopback_alone() -> None:
    with ports.listen_on(0) as listener:
        assert listener.getsockname()[0] == "127.0.0.1"


def test_a_taken_port_is_one_sentence() -> None:
    with ports.listen_on(0) as taken, pytest.raises(HoopctlError) as raised:
        ports.listen_on(number(taken))
    assert raised.value.message == f"Port {number_of(raised.value.message)} of 127.0.0.1 is taken."
    assert raised.value.exit_code == 1


def number_of(message: str) -> int:
    return int(message.split()[1])


def test_the_port_of_last_time_is_taken_when_it_is_free() -> None:
    with ports.listen_on(0) as before:
        last = number(before)
    with ports.listen_somewhere(last) as listener:
        assert number(listener) == last


def test_another_is_taken_when_it_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    with ports.listen_on(0) as taken, ports.listen_somewhere(number(taken)) as listener:
        assert number(listener) != number(taken)


def test_ports_of_other_connections_are_left_to_them(monkeypatch: pytest.MonkeyPatch) -> None:
    with ports.listen_on(0) as free:
        first = number(free)
    monkeypatch.setattr(ports, "FIRST_PORT", first)
    with ports.listen_somewhere(None) as listener:
        assert number(listener) == first
    with ports.listen_somewhere(None, frozenset({first})) as listener:
        assert number(listener) != first


def test_when_all_that_are_tried_are_taken_any_free_one_will_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ports, "_TRIED_PORTS", 0)
    with ports.listen_somewhere(None) as listener:
        assert number(listener) > 0
