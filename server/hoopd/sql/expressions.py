"""The walk's handlers for expressions: functions, operators, types, sublinks.

They note what is called; what that means is judged in ``calls`` once all types in reach are known. Must not decide on
columns: see ``lineage``.
"""

from __future__ import annotations

from typing import Any

from hoopd.sql import session_settings
from hoopd.sql.builtin_functions import ONE_ARGUMENT_FUNCTIONS
from hoopd.sql.builtin_names import BUILTIN_TYPES
from hoopd.sql.catalog import is_builtin_type
from hoopd.sql.facts import Effect, FunctionUse, ObjectKind
from hoopd.sql.findings import ANY_COUNT
from hoopd.sql.walk import Handlers, Node, Scope, Walk

_BETWEEN = {
    "AEXPR_BETWEEN": (">=", "<="),
    "AEXPR_BETWEEN_SYM": (">=", "<="),
    "AEXPR_NOT_BETWEEN": ("<", ">"),
    "AEXPR_NOT_BETWEEN_SYM": ("<", ">"),
}
_SEQUENCES = {"nextval": Effect.write, "setval": Effect.write}


def split_name(words: list[str]) -> tuple[str | None, str]:
    """Schema and name of a dotted name; a database in front is dropped, as PostgreSQL allows its own only."""
    return (words[-2] if len(words) > 1 else None), words[-1]


def _function(walk: Walk, node: Node, scope: Scope) -> None:
    walk.children("FuncCall", node, scope, "funcname")
    schema, name = split_name(walk.names_of(node["funcname"]))
    args = node.get("args", [])
    if schema in (None, "pg_catalog"):
        if name == "set_config" and len(args) == 3:
            _set_config(walk, args)
            return
        if name in _SEQUENCES:
            _sequence(walk, name, args)
    if name == "system_user" and node.get("funcformat") == "COERCE_SQL_SYNTAX" and walk.state.server_version < 160000:
        walk.unreadable("this server reads system_user as a column")
    if node.get("funcformat") != "COERCE_SQL_SYNTAX":
        walk.found.names = True
    count = ANY_COUNT if node.get("agg_within_group") else len(args)
    walk.found.calls.setdefault((schema, name, count, tuple(map(_untyped, args))))


def _sequence(walk: Walk, name: str, args: list[Any]) -> None:
    """``nextval('s')``: a write to the sequence, if it can be told which."""
    text = _text_of(args[0]) if args else None
    words = [w.strip('"') if w.startswith('"') else w.lower() for w in text.split(".")] if text else []
    if len(words) not in (1, 2):
        walk.found.access(Effect.write, ObjectKind.sequence, None, name, known=False)
        return
    schema, own = split_name(words)
    walk.relation({"relname": own, **({"schemaname": schema} if schema else {})}, Effect.write)


def _text_of(node: Node) -> str | None:
    """The text of a constant, with or without a cast to a type of PostgreSQL's own; None for anything else."""
    while "TypeCast" in node:
        node = node["TypeCast"]["arg"]
    constant = node.get("A_Const")
    if constant is None or constant.get("isnull"):
        return None
    for key, inner in (("sval", "sval"), ("fval", "fval"), ("ival", "ival"), ("boolval", "boolval")):
        if key in constant:
            return str(constant[key].get(inner, 0 if key == "ival" else False if key == "boolval" else ""))
    return None


def _set_config(walk: Walk, args: list[Any]) -> None:
    """``set_config(name, value, local)`` is the SET that it stands for (documentation, 9.28.1)."""
    name, value = _text_of(args[0]), _text_of(args[1])
    walk.found.names = True
    walk.found.functions.setdefault(FunctionUse("pg_catalog", "set_config", "volatile", trusted=True))
    user = walk.names.functions(None, "set_config")
    if name is None or user:
        walk.found.call("pg_catalog", "set_config", "v")
        return
    reset = value is None and bool(args[1].get("A_Const", {}).get("isnull"))
    setting(walk, session_settings.judge(name, value, reset=reset))


def setting(walk: Walk, change: session_settings.Change) -> None:
    """Note the change of one setting."""
    found = walk.found
    found.access(Effect.session, ObjectKind.setting, None, change.name)
    found.barrier = found.barrier or change.barrier
    found.settings = change.harmless and found.settings is not False
    if change.forbidden:
        found.forbid(change.forbidden)


def _used(walk: Walk, name: tuple[str | None, str], left: Any, right: Any) -> None:
    """An operator, with its two sides as far as they are there."""
    walk.found.names = True
    walk.found.operators.setdefault((*name, _untyped(left), _untyped(right)))


def _compared(walk: Walk, name: tuple[str | None, str], left: Any, right: Any) -> None:
    """As ``_used``; rows are compared column by column (documentation, 9.25.5)."""
    rows = right["List"].get("items", []) if isinstance(right, dict) and "List" in right else [right]
    for other in rows or [None]:
        mine, its = _columns(left), _columns(other)
        if mine is None or its is None or len(mine) != len(its):
            _used(walk, name, left, other)
            continue
        for one, two in zip(mine, its, strict=True):
            _used(walk, name, one, two)


def _columns(node: Any) -> list[Any] | None:
    return list(node["RowExpr"].get("args", [])) if isinstance(node, dict) and "RowExpr" in node else None


def _untyped(node: Any) -> bool:
    """Whether an expression, or one of a list, may be read as a value of any type: a literal in quotes, NULL, a
    parameter (documentation, 10.2 and 10.3).
    """
    if isinstance(node, list):
        return any(map(_untyped, node))
    if not node:
        return False
    ((tag, body),) = node.items()
    match tag:
        case "A_Const":
            return bool(body.get("isnull")) or "sval" in body
        case "ParamRef":
            return True
        case "NamedArgExpr":
            return _untyped(body.get("arg"))
        case "List":
            return _untyped(body.get("items"))
        case _:
            return False


def _operation(walk: Walk, node: Node, scope: Scope) -> None:
    kind = node.get("kind", "")
    if kind in _BETWEEN:
        for name in _BETWEEN[kind]:
            _used(walk, (None, name), node.get("lexpr"), node.get("rexpr"))
    else:
        _compared(walk, split_name(walk.names_of(node["name"])), node.get("lexpr"), node.get("rexpr"))
    walk.found.names = True
    walk.children("A_Expr", node, scope, "name")


def _sublink(walk: Walk, node: Node, scope: Scope) -> None:
    words = walk.names_of(node.get("operName", ()))
    left = node.get("testexpr")
    for one in _columns(left) or [left]:  # of a row each column is compared
        _used(walk, split_name(words) if words else (None, "="), one, None)
    walk.children("SubLink", node, scope, "operName")


def _case(walk: Walk, node: Node, scope: Scope) -> None:
    if "arg" in node:
        compared = [item["CaseWhen"].get("expr") for item in node.get("args", ()) if "CaseWhen" in item]
        _used(walk, (None, "="), node["arg"], compared)
    walk.children("CaseExpr", node, scope)


def _join(walk: Walk, node: Node, scope: Scope) -> None:
    if node.get("isNatural") or node.get("usingClause"):
        _used(walk, (None, "="), None, None)
    walk.children("JoinExpr", node, scope, "alias", "join_using_alias", "usingClause")


def _sort(walk: Walk, node: Node, scope: Scope) -> None:
    if node.get("useOp"):
        _used(walk, split_name(walk.names_of(node["useOp"])), None, None)
    walk.children("SortBy", node, scope, "useOp")


def _value_function(walk: Walk, node: Node, scope: Scope) -> None:
    """``current_user`` and its kin (documentation, 9.27)."""
    word = str(node.get("op", "")).removeprefix("SVFOP_").removesuffix("_N").lower()
    walk.found.functions.setdefault(FunctionUse("pg_catalog", word, "stable", trusted=True))


def _column(walk: Walk, node: Node, scope: Scope) -> None:
    """``t.f`` may be the call ``f(t)`` (documentation, 8.16.5), of rows or, where ``t`` is a function, of any value.

    Only if ``t`` has no column of that name: ``lineage`` can tell, so the call is only noted here.
    """
    walk.found.names = True
    words = walk.names_of(node["fields"])
    if len(words) > 1:
        calls = _calls_of(walk, words[-1])
        if calls:
            walk.found.attributes[words[-1]] = calls


def _calls_of(walk: Walk, name: str) -> list[tuple[str, str, str | None]]:
    """What is not trusted and could be called with one argument by this name: functions, and casts to users' types."""
    calls: list[tuple[str, str, str | None]] = []
    if name in ONE_ARGUMENT_FUNCTIONS:
        calls.append(("pg_catalog", name, None))
    for function in walk.names.functions(None, name):
        if function.takes(1):
            calls.append((function.schema, function.name, function.volatility))
    user = walk.names.type(None, name)
    if user is not None:
        calls.append((user.schema, user.name, None))
    return calls


def _indirection(walk: Walk, node: Node, scope: Scope) -> None:
    """``(x).f`` is a field, or the call ``f(x)`` of any function: ``(0.3).pg_sleep`` sleeps."""
    for word in walk.names_of(node.get("indirection", ())):
        walk.found.names = True
        for call in _calls_of(walk, word):
            walk.found.call(*call)
    walk.children("A_Indirection", node, scope)


def _row(walk: Walk, node: Node, scope: Scope) -> None:
    walk.found.makes_rows = True
    walk.children("RowExpr", node, scope)


def _type(walk: Walk, node: Node, scope: Scope) -> None:
    walk.children("TypeName", node, scope, "names")
    words = walk.names_of(node.get("names", ()))
    if not words:
        return
    schema, name = split_name(words)
    if schema == "pg_catalog" and is_builtin_type(name):
        return
    walk.found.names = True
    hidden = schema is None and walk.names.temporary_unknown
    user = None if hidden else walk.names.type(schema, name)
    if user is None and schema is None and name in BUILTIN_TYPES and not hidden:
        return
    if scope.ddl:
        return
    if user is not None and walk.names.catalog.reads_harmlessly(user.oid):
        walk.found.user_types.add(user.oid)
        return
    walk.found.runs_at_parse = True
    walk.found.type_calls = True
    if user is not None:
        walk.found.user_types.add(user.oid)
    shown = user.schema if user is not None else schema
    walk.found.opaque(ObjectKind.type, shown, name, known=user is not None)


HANDLERS: Handlers = {
    "FuncCall": _function,
    "A_Expr": _operation,
    "SubLink": _sublink,
    "CaseExpr": _case,
    "JoinExpr": _join,
    "SortBy": _sort,
    "SQLValueFunction": _value_function,
    "ColumnRef": _column,
    "A_Indirection": _indirection,
    "TypeName": _type,
    "RowExpr": _row,
    "TypeCast": lambda walk, node, scope: walk.children("TypeCast", node, scope),
}
