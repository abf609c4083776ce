"""What a tunnel has to tell while it is open: past facts, as JSON lines and as sentences for a person."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from hoopctl.client.stream import Signal
from hoopctl.clock import rfc3339

_SQL_SHOWN = 200


@dataclass(frozen=True, slots=True)
class SessionStarted:
    session: str


@dataclass(frozen=True, slots=True)
class SessionEnded:
    """``session`` is None where the gateway never opened it; ``cause`` is that of the gateway, or ``lost``."""

    session: str | None
    cause: str
    message: str


@dataclass(frozen=True, slots=True)
class Signalled:
    """What happened to a held statement of ``session``."""

    session: str | None
    signal: Signal


@dataclass(frozen=True, slots=True)
class GatewayLost:
    message: str


@dataclass(frozen=True, slots=True)
class GatewayBack:
    message: str


@dataclass(frozen=True, slots=True)
class SignInEnded:
    """No fresh token is to be had: sessions end with the one they have."""

    message: str
    hint: str | None


TunnelEvent = SessionStarted | SessionEnded | Signalled | GatewayLost | GatewayBack | SignInEnded


def as_line(event: TunnelEvent) -> dict[str, object]:
    """``event`` as a JSON line of ``hoopctl connect --json``."""
    match event:
        case SessionStarted(session):
            return {"event": "session_started", "session": session}
        case SessionEnded(session, cause, message):
            return {"event": "session_ended", "session": session, "cause": cause, "message": message}
        case Signalled(session, signal):
            return {
                "event": signal.event,
                "request": signal.request,
                "session": session,
                "message": signal.message,
                "sql": signal.sql,
                "waiting_for": list(signal.waiting_for),
                "until": None if signal.until is None else rfc3339(signal.until),
            }
        case GatewayLost(message):
            return {"event": "gateway_lost", "message": message}
        case GatewayBack(message):
            return {"event": "gateway_back", "message": message}
        case SignInEnded(message, hint):
            return {"event": "sign_in_ended", "message": message, "hint": hint}


def _shortened(sql: str) -> str:
    line = " ".join(sql.split())
    return line if len(line) <= _SQL_SHOWN else line[: _SQL_SHOWN - 1] + "…"


def _local_time(moment: datetime) -> str:
    return moment.astimezone().strftime("%H:%M:%S")


def _signal_sentence(signal: Signal) -> str:
    if signal.event == "held":
        waiting = f", waiting for {', '.join(signal.waiting_for)}" if signal.waiting_for else ""
        until = f" until {_local_time(signal.until)}" if signal.until else ""
        return f"held as {signal.request}{waiting}{until}: {_shortened(signal.sql)}"
    if signal.request in signal.message:
        return f"{signal.event}: {signal.message}"
    return f"{signal.event} {signal.request}" + (f": {signal.message}" if signal.message else "")


def as_sentence(event: TunnelEvent) -> str:
    """``event`` as a line for a person."""
    match event:
        case SessionStarted(session):
            return f"session {session} started"
        case SessionEnded(session, cause, message):
            name = f"session {session}" if session else "a client"
            return f"{name} ended ({cause})" + (f": {message}" if message else "")
        case Signalled(_, signal):
            return _signal_sentence(signal)
        case GatewayLost(message) | GatewayBack(message):
            return message
        case SignInEnded(message, hint):
            return f"{message} {hint}" if hint else message
