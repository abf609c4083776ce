"""Errors that end a command: each one sentence for a person, and the exit code for a script.

Whatever a command wants to end with is one of these; ``hoopctl.__main__`` is the only place that shows them. Nothing
here imports grpc, keyring or textual. A message says what happened, to what, and what to do next; it never holds a
token or a password (INV-7).
"""

from __future__ import annotations

from enum import IntEnum


class ExitCode(IntEnum):
    """What a command ends with. ``name`` is the ``code`` of the JSON error line."""

    done = 0
    failed = 1
    usage = 2
    not_signed_in = 3
    denied = 4
    timed_out = 5
    unreachable = 6
    verification_failed = 7
    interrupted = 130


class HoopctlError(Exception):
    """Something a person should read.

    ``message`` is one sentence, ``hint`` what to do about it, ``request`` the id of the request that it is about.
    """

    exit_code = ExitCode.failed

    def __init__(
        self, message: str, *, hint: str | None = None, request: str | None = None, exit_code: ExitCode | None = None
    ) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.request = request
        if exit_code is not None:
            self.exit_code = exit_code


class UsageProblem(HoopctlError):
    """The command line, or a file it names, cannot be meant."""

    exit_code = ExitCode.usage


class NotSignedIn(HoopctlError):
    """No token, or one that the gateway does not take."""

    exit_code = ExitCode.not_signed_in


class NotFound(HoopctlError):
    """No such connection, request or session, or none that the caller may see."""


class Denied(HoopctlError):
    """The gateway knows who is asking, and says no."""

    exit_code = ExitCode.denied


class TimedOut(HoopctlError):
    """What was waited for did not come in time."""

    exit_code = ExitCode.timed_out


class Unreachable(HoopctlError):
    """The gateway, or what it needs, does not answer; or what answers is not the gateway."""

    exit_code = ExitCode.unreachable


class VerificationFailed(HoopctlError):
    """A record is not what it was when it was written."""

    exit_code = ExitCode.verification_failed
