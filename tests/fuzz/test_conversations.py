"""Random conversations with the session machine: no crash, no buffer without bound, nothing undecided at the database.

``HOOP_CONVERSATIONS`` says how many, ``HOOP_SEED`` where to begin; ``scripts/fuzz`` sets both. A finding names its
seed, and its last events and commands are shown.
"""

from __future__ import annotations

import os
import random
from collections import Counter
from collections.abc import Callable

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from hoopd.pgwire import startup
from hoopd.pgwire.errors import WireError
from hoopd.pgwire.framing import FrameReader, StartupReader
from hoopd.session import extended, names
from tests.fuzz.client_messages import Client
from tests.fuzz.conversation import Conversation
from tests.fuzz.model_server import LEFT_OUT, frames_of

CONVERSATIONS = int(os.environ.get("HOOP_CONVERSATIONS", "20000"))
SEED = int(os.environ.get("HOOP_SEED", "0"))
STREAMS = 5_000
LIMIT = 500


def play(seed: int, tricks: frozenset[str] = frozenset()) -> Conversation:
    """One conversation. Fails with its seed and what was said."""
    conversation = Conversation(random.Random(seed), tricks)
    try:
        conversation.run()
    except Exception as problem:
        said = "\n".join(conversation.trace)
        pytest.fail(f"seed {seed}: {type(problem).__name__}: {problem}\n{said}", pytrace=False)
    return conversation


@pytest.mark.timeout(max(240, CONVERSATIONS // 50))
def test_nothing_undecided_reaches_the_database_INV_1(record_property: Callable[[str, object], None]) -> None:
    """INV-1, INV-3, INV-9; THREATS 9, 10, 23."""
    counted: Counter[str] = Counter()
    for seed in range(SEED, SEED + CONVERSATIONS):
        conversation = play(seed)
        counted["conversations"] += 1
        counted["questions"] += conversation.oracle.judged
        counted["messages to the database"] += conversation.oracle.to_server
        counted["ended by a side"] += conversation.oracle.over
        counted["with a database that lies"] += conversation.lying
        counted["under masks"] += conversation.masking
    figures = f"seeds from {SEED}: " + ", ".join(f"{number} {what}" for what, number in counted.items())
    record_property("counted", figures)
    print(figures)
    assert counted["conversations"] == CONVERSATIONS
    # A conversation that asks for nothing tries nothing.
    assert counted["questions"] > 2 * CONVERSATIONS
    assert counted["messages to the database"] > 10 * CONVERSATIONS


@settings(
    max_examples=300, deadline=None, phases=(Phase.generate, Phase.shrink), suppress_health_check=list(HealthCheck)
)
@given(st.randoms(use_true_random=False))
def test_a_finding_is_made_small(choose: random.Random) -> None:
    """The same conversations, with choices that hypothesis makes, and makes fewer of when something is found."""
    conversation = Conversation(choose)
    conversation.run()
    assert conversation.oracle.to_server >= 11  # the first read-back at least


def test_limits_that_are_met_hold(monkeypatch: pytest.MonkeyPatch) -> None:
    """INV-9, THREATS 23: tables of two statements and one portal, in conversations that would have more."""
    monkeypatch.setattr(names, "MAX_STATEMENTS", 2)
    for module in (extended, names):
        monkeypatch.setattr(module, "MAX_PORTALS", 1)
    most: Counter[str] = Counter()
    for seed in range(2_000):
        core = play(seed).machine._core
        most["statements"] = max(most["statements"], len(core.statements))
        most["portals"] = max(most["portals"], len(core.portals))
    assert most == {"statements": 2, "portals": 1}


@pytest.mark.parametrize("defect", LEFT_OUT)
def test_what_is_left_out_is_not_withstood_yet(defect: str) -> None:
    """When this fails the machine has learnt it: take the line out of ``LEFT_OUT``, and what it switches."""
    for seed in range(20_000):
        try:
            Conversation(random.Random(seed), frozenset({defect})).run()
        except (AssertionError, KeyError, IndexError):
            return
    pytest.fail(f"nothing was found: {LEFT_OUT[defect]}")


# Framing


def test_streams_cut_anywhere_give_the_same_messages() -> None:
    """INV-9, THREATS 10: whole, mutated and cut streams; the reader keeps less than one message of the limit."""
    broken = 0
    for seed in range(STREAMS):
        choose = random.Random(seed)
        data = Client(choose).stream()
        reader, frames, problem = FrameReader(LIMIT), [], None
        at = 0
        while at < len(data) and problem is None:
            size = choose.choice((1, 2, 5, 30, 1000))
            try:
                for frame in reader.feed(data[at : at + size]):
                    frames.append(frame)
            except WireError as found:
                problem = found
            at += size
            assert problem is not None or reader.buffered < LIMIT + 5
        broken += problem is not None
        sent = b"".join(frame.data for frame in frames)
        assert data.startswith(sent)
        assert frames_of(sent) == frames
    assert 0 < broken < STREAMS


def test_start_up_packets_of_anything() -> None:
    """THREATS 10: an answer, a refusal or a wish for more; never another exception, never more than one packet kept."""
    found: Counter[str] = Counter()
    packets = (
        startup.make_startup({"user": "a", "database": "b"}),
        startup.make_ssl_request(),
        startup.make_cancel(1, b"abcd"),
    )
    for seed in range(STREAMS):
        choose = random.Random(seed)
        data = bytearray(choose.choice(packets))
        for _ in range(choose.randrange(3)):
            data[choose.randrange(len(data))] = choose.randrange(256)
        reader = StartupReader()
        try:
            body = reader.feed(bytes(data[: choose.randrange(len(data) + 1)]) if choose.random() < 0.2 else bytes(data))
            found[type(startup.read_first_packet(body)).__name__ if body is not None else "more"] += 1
        except WireError:
            found["refused"] += 1
    assert set(found) == {"StartupMessage", "EncryptionRequest", "CancelRequest", "more", "refused"}
