"""Makes docs/settings.md from hoopd.settings, so that the page cannot say anything else than the gateway does.

Run by `scripts/gen-docs`; a test compares the committed page with it. The text at the top and at the end is kept here.
"""

from __future__ import annotations

import sys
import types
from datetime import timedelta
from enum import EnumType
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from hoopd.settings import Settings

HEAD = """\
# Settings: hoopd.yaml

`hoopd serve`, `check` and `migrate` read one YAML file, `hoopd.yaml` in the working directory unless `-c FILE` names
another. [`deploy/hoopd.yaml`](../deploy/hoopd.yaml) is one to start from; [operations.md](operations.md) tells how a
gateway is set up.

A key that is not listed here is an error, with the nearest one that is. Relative paths start at the file's own
directory. Durations are a whole number and a unit: `30s`, `15m`, `12h`, `7d`. No secret stands in the file: it names a
file or an environment variable that holds it. The file is read once, at start.

This page is made from `server/hoopd/settings.py` by `scripts/gen-docs`.
"""

TAIL = """\
## Environment

| variable | meaning |
|---|---|
| `HOOPD_LOG` | level of the gateway's log on standard error: `WARNING` unless set |
| `HOOPD_DEBUG` | when set, an unexpected error prints its traceback |
| `HOOPD_POSTGRES_BIN` | directory of PostgreSQL's programs, for a store of the gateway's own and for `hoopd dev` |
| the names in `password_env` | the passwords |
"""


def page() -> str:
    """The whole page."""
    sections = [_table("At the top", Settings, "")]
    sections += [_table(f"`{path}`", section, path) for path, section in _sections(Settings, "")]
    return "\n".join([HEAD, *sections, TAIL])


def _sections(model: type[BaseModel], above: str) -> list[tuple[str, type[BaseModel]]]:
    """The sections below ``model`` in the order of the file, each with its dotted path."""
    found: list[tuple[str, type[BaseModel]]] = []
    for name, field in model.model_fields.items():
        inner = _section_of(field.annotation)
        if inner is not None:
            path = f"{above}{name}" + ("[]" if get_origin(field.annotation) is tuple else "")
            found += [(path, inner), *_sections(inner, f"{path}.")]
    return found


def _section_of(annotation: Any) -> type[BaseModel] | None:
    for part in (annotation, *get_args(annotation)):
        if isinstance(part, type) and issubclass(part, BaseModel):
            return part
    return None


def _table(title: str, model: type[BaseModel], path: str) -> str:
    about = "" if not path else f"{' '.join((model.__doc__ or '').split())}\n\n"
    rows = [
        f"| `{name}` | {_kind(field)} | {_default(field)} | {field.description} |"
        for name, field in model.model_fields.items()
    ]
    return f"## {title}\n\n{about}| key | value | default | |\n|---|---|---|---|\n" + "\n".join(rows) + "\n"


def _kind(field: FieldInfo) -> str:
    lowest = next((rule.ge for rule in field.metadata if hasattr(rule, "ge")), None)
    highest = next((rule.le for rule in field.metadata if hasattr(rule, "le")), None)
    bounds = f", {lowest} to {highest}" if lowest is not None and highest is not None else ""
    return _word(field.annotation) + bounds


_WORDS: dict[Any, str] = {str: "text", int: "number", bool: "`true` or `false`", Path: "path", timedelta: "duration"}


def _word(annotation: Any) -> str:
    """What stands for a type, in words."""
    origin, inner = get_origin(annotation), get_args(annotation)
    if origin is Literal:
        return _listed(inner)
    if origin in (types.UnionType,):
        return _word(next(part for part in inner if part is not type(None)))
    if origin is tuple:
        return f"list of {_several(inner[0])}"
    if origin is dict:
        return f"map of {_word(inner[0])} to {_word(inner[1])}"
    if isinstance(annotation, EnumType):
        members: list[Any] = list(annotation)
        return _listed(member.value for member in members)
    if _section_of(annotation) is not None:
        return "section"
    return _WORDS[annotation]


def _several(annotation: Any) -> str:
    return {"section": "sections", "text": "texts"}.get(_word(annotation), _word(annotation))


def _listed(values: Any) -> str:
    return ", ".join(f"`{value}`" for value in values)


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "must be given"
    value = field.get_default(call_default_factory=True)
    match value:
        case None | {} | () | BaseModel():
            return ""
        case bool():
            return f"`{str(value).lower()}`"
        case timedelta():
            return f"`{_duration(value)}`"
        case tuple():
            return _listed(value)
        case _:
            assert value is not PydanticUndefined
            return f"`{value}`"


def _duration(value: timedelta) -> str:
    seconds = int(value.total_seconds())
    for unit, length in (("d", 86400), ("h", 3600), ("m", 60)):
        if seconds and seconds % length == 0:
            return f"{seconds // length}{unit}"
    return f"{seconds}s" if seconds else "0"


if __name__ == "__main__":
    sys.stdout.write(page())
