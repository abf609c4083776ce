"""Credentials inside SQL, taken out before anything is recorded or shown (INV-7).

Works on PostgreSQL's own tokens, so that comments and quoting cannot hide a literal. A credential becomes one with
a keyed hash, so that equal ones are seen to be equal and nothing else. Must not be used on what is sent to the server.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Sequence

from hoopd.sql.parser import ParseFailure, Token, tokens

_LITERALS = frozenset({"SCONST", "USCONST"})
_SECRET_WORD = re.compile(r"passw|passphrase|secret|token|api_?key|access_?key|private_?key|credential", re.IGNORECASE)
_CONNECTION = re.compile(r"\b(?:ssl)?passw(?:or)?d\s*=", re.IGNORECASE)
_URL = re.compile(r"\w://[^\s/:@']*:[^\s@']")
_BEFORE_AT = re.compile(r"[^\s@']+@?")
"""Runs that an address with a password lies within. Each is looked through once: one pattern for both would look at the
rest of the text again for every ``a://b:`` in it."""
_INNER = re.compile(r"\bpassword\s+(?:[eu]&?)?'|\bpassword\s+\$|\bconnection\s+'", re.IGNORECASE)
_DOLLAR = re.compile(r"\A(\$[^$]*\$)(.*)(\$[^$]*\$)\Z", re.DOTALL)
_ANY_LITERAL = re.compile(r"'(?:[^']|'')*(?:'|\Z)|\$(\w*)\$.*?(?:\$\1\$|\Z)", re.DOTALL)
_COMMENTS = frozenset({"SQL_COMMENT", "C_COMMENT"})
_SETTERS = frozenset({"SET", "ALTER"})


def redact(text: str, key: bytes) -> tuple[str, bool]:
    """The text with credentials replaced by their keyed hash, and whether there were any.

    Passwords of roles, options of servers and user mappings, connection strings of subscriptions and dblink, settings
    with such names; also where they stand inside the body of a DO block or function. Text that PostgreSQL cannot scan
    loses every literal if it speaks of a credential at all.
    """
    if "'" not in text and "$" not in text:
        return text, False  # no literal can be written without one of them
    try:
        found = [t for t in tokens(text) if t.name not in _COMMENTS]
    except ParseFailure:
        return _unscanned(text, key)
    data = text.encode("utf-8")
    pieces: list[bytes] = []
    done = first = 0
    for place, token in enumerate(found):
        if place and found[place - 1].name == "ASCII_59":
            first = place
        if token.name not in _LITERALS:
            continue
        literal = data[token.start : token.end].decode("utf-8")
        shown = _shown(literal, _is_credential(data, found, place, found[first].name), key)
        if shown != literal:
            pieces += [data[done : token.start], shown.encode("utf-8")]
            done = token.end
    if not pieces:
        return text, False
    return b"".join([*pieces, data[done:]]).decode("utf-8"), True


def _hash(literal: str, key: bytes) -> str:
    return f"'hidden:{hmac.new(key, literal.encode('utf-8', 'surrogatepass'), hashlib.sha256).hexdigest()[:16]}'"


def _unscanned(text: str, key: bytes) -> tuple[str, bool]:
    if not (_SECRET_WORD.search(text) or _connects(text) or "connection" in text.lower()):
        return text, False
    shown = _ANY_LITERAL.sub(lambda match: _hash(match.group(), key), text)
    return shown, shown != text


def _shown(literal: str, credential: bool, key: bytes) -> str:
    if credential:
        return _hash(literal, key)
    if _INNER.search(literal):
        body = _DOLLAR.match(literal)
        if body is None:
            return _hash(literal, key)
        return body[1] + redact(body[2], key)[0] + body[3]
    return _hash(literal, key) if _connects(literal) else literal


def _connects(text: str) -> bool:
    """Whether there is a connection string or an address with a password in it."""
    if _CONNECTION.search(text):
        return True
    return "://" in text and any(run[0].endswith("@") and _URL.search(run[0]) for run in _BEFORE_AT.finditer(text))


def _is_credential(data: bytes, found: Sequence[Token], place: int, first_word: str) -> bool:
    """By the words in front of the literal, and the one that its statement begins with."""
    if place == 0:
        return False
    before = found[place - 1]
    if before.name in ("PASSWORD", "CONNECTION"):
        return True
    if before.name in ("ASCII_61", "TO") and place > 1 and first_word in _SETTERS:
        before = found[place - 2]
    elif before.name == "ASCII_44" and place > 1:
        return _set_config(data, found, place)
    elif before.name in ("ASCII_61", "TO"):
        return False
    word = data[before.start : before.end].decode("utf-8")
    return before.name not in _LITERALS and _SECRET_WORD.search(word) is not None


def _set_config(data: bytes, found: Sequence[Token], place: int) -> bool:
    """``set_config('app.secret', 'x', …)``: the name is a literal two tokens before."""
    name = found[place - 2]
    called = data[found[place - 4].start : found[place - 4].end] if place > 3 else b""
    text = data[name.start : name.end].decode("utf-8")
    return called.lower() == b"set_config" and name.name in _LITERALS and _SECRET_WORD.search(text) is not None
