"""The name that PostgreSQL gives to an output column (``FigureColname`` in parse_target.c, documentation 7.3.2)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

Node = Mapping[str, Any]
UNNAMED = "?column?"
_FIXED = {
    "A_ArrayExpr": "array",
    "RowExpr": "row",
    "CoalesceExpr": "coalesce",
    "GroupingFunc": "grouping",
    "MergeSupportFunc": "merge_action",
    "XmlSerialize": "xmlserialize",
    "JsonParseExpr": "json",
    "JsonScalarExpr": "json_scalar",
    "JsonSerializeExpr": "json_serialize",
    "JsonObjectConstructor": "json_object",
    "JsonArrayConstructor": "json_array",
    "JsonArrayQueryConstructor": "json_array",
    "JsonObjectAgg": "json_objectagg",
    "JsonArrayAgg": "json_arrayagg",
}
_JSON = {"JSON_EXISTS_OP": "json_exists", "JSON_QUERY_OP": "json_query", "JSON_VALUE_OP": "json_value"}


def output_name(target: Node) -> str:
    """``target`` is a ResTarget of a select list."""
    return str(target["name"]) if target.get("name") else _figure(target.get("val") or {})[0]


def _figure(tagged: Node) -> tuple[str, int]:
    """Name and how firm it is: 0 none, 1 weak (a type, CASE), 2 firm."""
    if not tagged:
        return UNNAMED, 0
    ((tag, node),) = tagged.items()
    if tag in _FIXED:
        return _FIXED[tag], 2
    special = _SPECIAL.get(tag)
    return special(node) if special is not None else (UNNAMED, 0)


def _last_string(items: Any) -> str | None:
    words = [item["String"].get("sval", "") for item in items if "String" in item]
    return words[-1] if words else None


def _column(node: Node) -> tuple[str, int]:
    name = _last_string(node.get("fields", ()))
    return (name, 2) if name else (UNNAMED, 0)


def _indirection(node: Node) -> tuple[str, int]:
    name = _last_string(node.get("indirection", ()))
    return (name, 2) if name else _figure(node.get("arg") or {})


def _cast(node: Node) -> tuple[str, int]:
    inner = _figure(node.get("arg") or {})
    if inner[1] > 1:
        return inner
    name = _last_string(node.get("typeName", {}).get("names", ()))
    return (name, 1) if name else inner


def _case(node: Node) -> tuple[str, int]:
    inner = _figure(node.get("defresult") or {})
    return inner if inner[1] > 1 else ("case", 1)


def _sublink(node: Node) -> tuple[str, int]:
    kind = node.get("subLinkType", "")
    if kind in ("EXISTS_SUBLINK", "ARRAY_SUBLINK"):
        return kind.removesuffix("_SUBLINK").lower(), 2
    select = (node.get("subselect") or {}).get("SelectStmt", {})
    while select.get("larg"):
        select = select["larg"]
    targets = select.get("targetList")
    if kind == "EXPR_SUBLINK" and targets:
        target = targets[0]["ResTarget"]
        return (target["name"], 2) if target.get("name") else _figure(target.get("val") or {})
    return UNNAMED, 0


def _function(node: Node) -> tuple[str, int]:
    name = _last_string(node.get("funcname", ()))
    return (name, 2) if name else (UNNAMED, 0)


def _value_function(node: Node) -> tuple[str, int]:
    word = str(node.get("op", "")).removeprefix("SVFOP_").removesuffix("_N").lower()
    return (word, 2) if word else (UNNAMED, 0)


_SPECIAL: Mapping[str, Callable[[Node], tuple[str, int]]] = {
    "ColumnRef": _column,
    "A_Indirection": _indirection,
    "TypeCast": _cast,
    "CollateClause": lambda node: _figure(node.get("arg") or {}),
    "CaseExpr": _case,
    "SubLink": _sublink,
    "FuncCall": _function,
    "SQLValueFunction": _value_function,
    "A_Expr": lambda node: ("nullif", 2) if node.get("kind") == "AEXPR_NULLIF" else (UNNAMED, 0),
    "MinMaxExpr": lambda node: ("least" if node.get("op") == "IS_LEAST" else "greatest", 2),
    "XmlExpr": lambda node: (str(node.get("op", "")).removeprefix("IS_").lower(), 2),
    "JsonFuncExpr": lambda node: (_JSON.get(node.get("op", ""), UNNAMED), 2),
}
