"""Who calls, for every method but Hello; and the one translation of our errors to gRPC's.

The token is verified in full on every call (INV-10). Nothing of a token or of an unexpected error's text reaches the
caller or the log (INV-7).
"""

from __future__ import annotations

import logging
import traceback
from collections.abc import AsyncIterator, Awaitable, Callable
from contextvars import ContextVar
from typing import Any

import grpc
import grpc.aio

from hoopd.domain.errors import HoopError, NotSignedIn
from hoopd.domain.principal import Principal
from hoopd.identity import Purpose, TokenVerifier

log = logging.getLogger("hoopd.rpc")

OPEN_METHODS = frozenset({"/hoop.v1.Gateway/Hello"})
HINT = "hoop-hint"

Context = grpc.aio.ServicerContext[Any, Any]
_PRINCIPAL: ContextVar[Principal] = ContextVar("principal")


def principal_of(context: Context) -> Principal:
    """The verified caller of the call that is being served.

    Raises:
        NotSignedIn: the call was not authenticated.
    """
    try:
        return _PRINCIPAL.get()
    except LookupError:
        raise NotSignedIn("this call needs a sign-in", hint="run `hoopctl login`") from None


def bearer_of(metadata: Any) -> str:
    """The bearer token of a call's metadata.

    Raises:
        NotSignedIn: there is none.
    """
    values = [value for key, value in metadata or () if key == "authorization"]
    if len(values) != 1 or not isinstance(values[0], str) or not values[0].startswith("Bearer "):
        raise NotSignedIn("you are not signed in", hint="run `hoopctl login`")
    return values[0].removeprefix("Bearer ")


async def abort(context: Context, problem: HoopError) -> None:
    """End the call with the gRPC status of one of our errors; the hint goes into the trailing metadata."""
    status = grpc.StatusCode[problem.grpc_status]
    trailing = ((f"{HINT}-bin", problem.hint.encode()),) if problem.hint else ()
    await context.abort(status, problem.message, trailing)


class Authentication(grpc.aio.ServerInterceptor):
    """Verifies the bearer before a method runs, and translates what it raises."""

    def __init__(self, verifier: TokenVerifier) -> None:
        self._verifier = verifier

    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable[grpc.RpcMethodHandler[Any, Any] | None]],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> grpc.RpcMethodHandler[Any, Any] | None:
        details = handler_call_details
        handler = await continuation(details)
        if handler is None:
            return handler
        check = details.method not in OPEN_METHODS
        metadata = details.invocation_metadata
        if handler.unary_unary is not None:
            return grpc.unary_unary_rpc_method_handler(
                self._single(handler.unary_unary, metadata, check),
                handler.request_deserializer,
                handler.response_serializer,
            )
        if handler.unary_stream is not None:
            return grpc.unary_stream_rpc_method_handler(
                self._stream(handler.unary_stream, metadata, check),
                handler.request_deserializer,
                handler.response_serializer,
            )
        return grpc.stream_stream_rpc_method_handler(
            self._single(handler.stream_stream, metadata, check),
            handler.request_deserializer,
            handler.response_serializer,
        )

    def _single(self, method: Any, metadata: Any, check: bool) -> Any:
        async def served(request: Any, context: Context) -> Any:
            async with _Translated(context):
                if check:
                    await self._admit(metadata)
                return await method(request, context)

        return served

    def _stream(self, method: Any, metadata: Any, check: bool) -> Any:
        async def served(request: Any, context: Context) -> AsyncIterator[Any]:
            async with _Translated(context):
                if check:
                    await self._admit(metadata)
                async for answer in method(request, context):
                    yield answer

        return served

    async def _admit(self, metadata: Any) -> None:
        _PRINCIPAL.set(await self._verifier.verify(bearer_of(metadata), Purpose.session))


def where(problem: BaseException) -> str:
    """An error's kind and where it was raised, for the log: its text may quote values (INV-7)."""
    inner = "".join(where(each) for each in problem.exceptions) if isinstance(problem, BaseExceptionGroup) else ""
    frames = "".join(traceback.format_tb(problem.__traceback__))
    return f"{type(problem).__name__}\n{frames}{inner}"


class _Translated:
    """Errors on their way to the caller. One of the two places with a broad except."""

    def __init__(self, context: Context) -> None:
        self._context = context

    async def __aenter__(self) -> None:
        return None

    async def __aexit__(self, kind: Any, problem: BaseException | None, trace: Any) -> None:
        if isinstance(problem, HoopError):
            await abort(self._context, problem)
        elif isinstance(problem, Exception) and not isinstance(problem, grpc.aio.AbortError):
            log.error("a call failed inside the gateway: %s", where(problem))
            await self._context.abort(grpc.StatusCode.INTERNAL, "the gateway failed inside; its log has more")
