"""The entry of ``hoopctl``, and the one boundary where errors become a sentence and an exit code.

No traceback reaches a person, whatever goes wrong, unless ``HOOPCTL_DEBUG=1`` asks for it. With ``--json`` the error
is a line on stdout.
"""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Sequence

from hoopctl.errors import ExitCode, HoopctlError, UsageProblem

# gRPC's own log is for its authors; it is set before anything can import grpc.
os.environ.setdefault("GRPC_VERBOSITY", "NONE")
# gRPC's own pool of threads contends with the event loop: without it a tunnel is faster. An experiment that this
# version of gRPC does not know would be complained of, so its minor version is fixed in pyproject.toml.
os.environ.setdefault("GRPC_EXPERIMENTS", "-event_engine_client,-event_engine_listener,-event_engine_callback_cq")


def _wants_json(arguments: Sequence[str]) -> bool:
    """Whether ``--json`` is among our own arguments, known even when the command line cannot be read."""
    ours = arguments[: arguments.index("--")] if "--" in arguments else arguments
    return "--json" in ours


def _debug() -> bool:
    return os.environ.get("HOOPCTL_DEBUG", "") not in {"", "0"}


def _report(error: HoopctlError, *, as_json: bool) -> int:
    from hoopctl import narration, output

    if as_json:
        line = {"event": "error", "code": error.exit_code.name, "message": error.message}
        output.emit({**line, "hint": error.hint, "request": error.request})
    elif error.exit_code is ExitCode.interrupted:
        narration.say(error.message)
    else:
        narration.complain(error.message, error.hint)
    return int(error.exit_code)


def _understood(error: Exception) -> HoopctlError:
    """``error`` as one of ours; what nobody foresaw is named by its type, and its text is kept out (INV-7)."""
    from typer import TyperException

    if isinstance(error, HoopctlError):
        return error
    if isinstance(error, TyperException):
        path = getattr(getattr(error, "ctx", None), "command_path", "hoopctl")
        # typer's way of showing the help of a group that was given nothing: its message is the whole help.
        given_nothing = type(error).__name__ == "NoArgsIsHelpError"
        message = "Missing command." if given_nothing else error.format_message()
        return UsageProblem(message, hint=f"See: {path} --help")
    if isinstance(error, OSError) and error.strerror:
        place = f": {error.filename}" if error.filename else ""
        return HoopctlError(f"{error.strerror}{place}.")
    return HoopctlError(
        f"Something went wrong inside hoopctl ({type(error).__name__}).",
        hint="HOOPCTL_DEBUG=1 shows where; please report it.",
    )


def _innermost(error: BaseException) -> BaseException:
    """The error inside an exception group of task groups: ours before others, else the first."""
    if not isinstance(error, BaseExceptionGroup):
        return error
    inside = [_innermost(each) for each in error.exceptions]
    return next((each for each in inside if isinstance(each, HoopctlError)), inside[0])


def _run(arguments: Sequence[str], *, as_json: bool) -> int:
    from hoopctl.app import root
    from hoopctl.invocation import Invocation

    ended = root().main(list(arguments), prog_name="hoopctl", standalone_mode=False, obj=Invocation(json=as_json))
    sys.stdout.flush()
    return ended if isinstance(ended, int) else int(ExitCode.done)


def _silence_stdout() -> None:
    """Point stdout at nothing, so that the interpreter's last flush does not complain of the closed pipe."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)


def _leave_no_core() -> None:
    """A core of this process would hold tokens and tunnel passwords (INV-7)."""
    try:
        import resource
    except ImportError:  # not a POSIX system
        return
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_CORE, (0, resource.getrlimit(resource.RLIMIT_CORE)[1]))


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line (``sys.argv`` unless given) and return the exit code."""
    _leave_no_core()
    arguments = sys.argv[1:] if arguments is None else arguments
    as_json = _wants_json(arguments)
    try:
        try:
            return _run(arguments, as_json=as_json)
        except BrokenPipeError:
            raise
        except (Exception, KeyboardInterrupt, BaseExceptionGroup) as raised:  # noqa: BLE001 - the boundary
            return _ended_by(raised, as_json=as_json)
    except BrokenPipeError:
        _silence_stdout()
        return int(ExitCode.failed)


def _ended_by(raised: BaseException, *, as_json: bool) -> int:
    from typer import Abort

    error = _innermost(raised)
    if _debug():
        import traceback

        traceback.print_exception(error)
    if isinstance(error, KeyboardInterrupt | Abort):
        return _report(HoopctlError("Interrupted.", exit_code=ExitCode.interrupted), as_json=as_json)
    if isinstance(error, Exception):
        return _report(_understood(error), as_json=as_json)
    raise raised


if __name__ == "__main__":
    sys.exit(main())
