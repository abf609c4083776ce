"""The walk's handlers for statements that are not queries: settings, transactions, COPY, code, objects by name."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from hoopd.sql import kinds, named, session_settings
from hoopd.sql.expressions import setting, split_name
from hoopd.sql.facts import Copying, Effect, ObjectKind, Opened
from hoopd.sql.findings import Findings
from hoopd.sql.walk import Handlers, Node, Scope, Walk


def _set(walk: Walk, node: Node, scope: Scope) -> None:
    kind = node.get("kind", "")
    if kind == "VAR_SET_MULTI":
        _set_multi(walk, node)
        return
    if kind == "VAR_RESET_ALL":
        walk.found.access(Effect.session, ObjectKind.setting, None, "all")
        walk.found.barrier = walk.found.harmless = True
        return
    reset = kind in ("VAR_RESET", "VAR_SET_DEFAULT")
    setting(walk, session_settings.judge(node["name"], _value(node.get("args", [])), reset=reset))
    walk.found.harmless = bool(walk.found.settings)


def _set_multi(walk: Walk, node: Node) -> None:
    """SET TRANSACTION and SET SESSION CHARACTERISTICS: modes of transactions, or a snapshot taken from elsewhere."""
    walk.found.harmless = not node["name"].endswith("SNAPSHOT")


def _value(args: list[Any]) -> str | None:
    """The text of a SET with one constant; lists and anything else give None."""
    if len(args) != 1:
        return None
    constant = args[0].get("A_Const", {})
    for key in ("sval", "fval"):
        if key in constant:
            return str(constant[key].get(key, ""))
    return str(constant["ival"].get("ival", 0)) if "ival" in constant else None


def _altered_setting(node_type: str) -> Callable[[Walk, Node, Scope], None]:
    """ALTER ROLE, DATABASE or SYSTEM … SET: what later sessions start with."""

    def handle(walk: Walk, node: Node, scope: Scope) -> None:
        own = node.get("setstmt", {})
        if own.get("name"):
            reset = own.get("kind") in ("VAR_RESET", "VAR_SET_DEFAULT")
            change = session_settings.judge(own["name"], _value(own.get("args", [])), reset=reset)
            effect = Effect.external if node_type == "AlterSystemStmt" else Effect.privilege
            walk.found.access(effect, ObjectKind.setting, None, change.name)
            if change.forbidden:
                walk.found.forbid(change.forbidden)
        walk.children(node_type, node, scope, "setstmt")

    return handle


def _transaction(walk: Walk, node: Node, scope: Scope) -> None:
    kind, _ = kinds.kind_of("TransactionStmt", node)
    walk.found.harmless = kind in kinds.HARMLESS_TRANSACTIONS
    ends = kind in ("commit", "rollback", "rollback_to")
    walk.found.barrier = not walk.found.harmless or (ends and walk.state.settings_local)
    walk.found.savepoint = node.get("savepoint_name")


def _harmless(walk: Walk, node: Node, scope: Scope) -> None:
    walk.found.harmless = True


def _deallocate(walk: Walk, node: Node, scope: Scope) -> None:
    walk.found.harmless = True
    walk.found.deallocates = (node["name"],) if node.get("name") else ()


def _discard(walk: Walk, node: Node, scope: Scope) -> None:
    walk.found.harmless = walk.found.barrier = True
    if node.get("target", "DISCARD_ALL") == "DISCARD_ALL":
        walk.found.deallocates = walk.found.closes = ()


def _close(walk: Walk, node: Node, scope: Scope) -> None:
    walk.found.harmless = True
    walk.found.closes = (node["portalname"],) if node.get("portalname") else ()


def _declare(walk: Walk, node: Node, scope: Scope) -> None:
    """The cursor's query is planned, and may begin to run, here."""
    walk.found.names = True
    walk.found.opens = Opened(node["portalname"], named.holds(node))
    _inside(walk, node["query"])
    walk.children("DeclareCursorStmt", node, scope)


def _prepare(walk: Walk, node: Node, scope: Scope) -> None:
    """Judged as the statement inside; what comes of it is settled in ``analysis``."""
    _inside(walk, node["query"])
    walk.children("PrepareStmt", node, scope)


def _inside(walk: Walk, query: Node) -> None:
    """The kind of a statement that stands behind another: a SELECT too, so that rules on it hold for it here."""
    for tag, body in query.items():
        walk.found.kinds.setdefault(kinds.kind_of(tag, body)[0])


def _execute(walk: Walk, node: Node, scope: Scope) -> None:
    """``query`` is there where the prepared statement is known, and one that can be seen through: see ``named``."""
    walk.found.names = walk.found.by_name = True
    _arguments(walk, node.get("params", []), scope)
    walk.children("ExecuteStmt", node, scope, "query")
    if "query" in node:
        _inside(walk, node["query"])
        walk.push("Node", node["query"], scope)
        return
    if walk.named.statement(node["name"]) is None and walk.named.certain:
        walk.found.error = named.missing_statement(node["name"])
    walk.found.opaque(ObjectKind.function, None, node["name"], known=False)
    walk.found.doubts.append(f"what the prepared statement {node['name']} runs is not known")


def _arguments(walk: Walk, params: list[Any], scope: Scope) -> None:
    """They are evaluated before the server looks up what the prepared statement names, which may have changed then."""
    found = Findings()
    Walk(walk.names, walk.state, found, walk.handlers).run("List", {"items": params}, scope)
    if Effect.session in found.effects or found.barrier:
        walk.found.forbid("an argument of EXECUTE changes a setting, and so what the prepared statement means")


def _copy(walk: Walk, node: Node, scope: Scope) -> None:
    """COPY reads or writes a table, or runs a query; a file or a program is the server's own (documentation, COPY)."""
    into = bool(node.get("is_from"))
    if node.get("is_program") or node.get("filename"):
        walk.found.effects.add(Effect.external)
    else:
        walk.found.copies = Copying.from_client if into else Copying.to_client
    if "relation" in node:
        walk.relation(node["relation"], Effect.write if into else Effect.read)
    walk.children("CopyStmt", node, scope, "relation")


def _call(walk: Walk, node: Node, scope: Scope) -> None:
    call = node["funccall"]
    schema, name = split_name(walk.names_of(call["funcname"]))
    candidates = walk.names.functions(schema, name)
    for function in candidates:
        walk.found.call(function.schema, function.name, function.volatility)
    if not candidates:
        walk.found.call(schema, name, None, known=False)
    walk.found.names = True
    walk.children("FuncCall", call, scope, "funcname")


def _do(walk: Walk, node: Node, scope: Scope) -> None:
    walk.found.names = walk.found.barrier = True
    walk.found.doubts.append("a DO block cannot be seen through")


def _drop(walk: Walk, node: Node, scope: Scope) -> None:
    word = kinds.object_word(node.get("removeType", ""))
    for item in node.get("objects", ()):
        _named(walk, word, _words(walk, item), Effect.ddl)
    walk.found.names = True


def _words(walk: Walk, item: Node) -> list[str]:
    """The dotted name in any of the ways that the grammar gives one."""
    ((tag, body),) = item.items()
    if tag == "String":
        return [body.get("sval", "")]
    found = {"List": "items", "ObjectWithArgs": "objname", "TypeName": "names"}.get(tag)
    return walk.names_of(body.get(found, ())) if found else []


def _named(walk: Walk, word: str, words: list[str], effect: Effect) -> None:
    if word in kinds.ON_RELATION_WORDS:
        words, word = words[:-1], "table"
    if not words:
        walk.found.effects.add(effect)
        return
    schema, name = split_name(words)
    if word in kinds.RELATION_WORDS:
        walk.relation({"relname": name, **({"schemaname": schema} if schema else {})}, effect)
    else:
        walk.found.access(effect, kinds.object_kind(word), schema, name)


def _object(object_field: str, type_field: str, node_type: str) -> Callable[[Walk, Node, Scope], None]:
    """Statements on one object of any kind, named by words: COMMENT, ALTER … OWNER, ALTER … RENAME and their kin."""

    def handle(walk: Walk, node: Node, scope: Scope) -> None:
        _, effects = kinds.kind_of(node_type, node)
        effect = Effect.privilege if Effect.privilege in effects else Effect.ddl
        if "relation" in node:
            walk.relation(node["relation"], effect)
        elif isinstance(node.get(object_field), dict):
            _named(walk, kinds.object_word(node.get(type_field, "")), _words(walk, node[object_field]), effect)
        walk.found.names = True

    return handle


def _grant(walk: Walk, node: Node, scope: Scope) -> None:
    word = kinds.object_word(node.get("objtype", ""))
    if node.get("targtype") == "ACL_TARGET_ALL_IN_SCHEMA":
        word = "schema"
    for item in node.get("objects", ()):
        if "RangeVar" in item:
            walk.relation(item["RangeVar"], Effect.privilege)
        else:
            _named(walk, word, _words(walk, item), Effect.privilege)
    walk.found.names = True


def _truncate(walk: Walk, node: Node, scope: Scope) -> None:
    for item in node.get("relations", ()):
        walk.relation(item["RangeVar"], Effect.write)


def _roles(walk: Walk, node: Node, scope: Scope) -> None:
    for item in node.get("roles", ()):
        walk.found.access(Effect.privilege, ObjectKind.role, None, item.get("RoleSpec", {}).get("rolename", ""))


def _own_name(field: str, kind: ObjectKind, effect: Effect) -> Callable[[Walk, Node, Scope], None]:
    """CREATE and DROP of what has one plain name: a schema, role, database, extension."""

    def handle(walk: Walk, node: Node, scope: Scope) -> None:
        value = node.get(field)
        name = value.get("rolename", "") if isinstance(value, dict) else value
        walk.found.access(effect, kind, None, name or "")
        walk.found.names = True
        for item in node.get("schemaElts", ()):
            walk.push("Node", item, scope)

    return handle


HANDLERS: Handlers = {
    "VariableSetStmt": _set,
    "VariableShowStmt": _harmless,
    "ClosePortalStmt": _close,
    "UnlistenStmt": _harmless,
    "TransactionStmt": _transaction,
    "DeallocateStmt": _deallocate,
    "DiscardStmt": _discard,
    "AlterRoleSetStmt": _altered_setting("AlterRoleSetStmt"),
    "AlterDatabaseSetStmt": _altered_setting("AlterDatabaseSetStmt"),
    "AlterSystemStmt": _altered_setting("AlterSystemStmt"),
    "PrepareStmt": _prepare,
    "ExecuteStmt": _execute,
    "DeclareCursorStmt": _declare,
    "CopyStmt": _copy,
    "CallStmt": _call,
    "DoStmt": _do,
    "DropStmt": _drop,
    "TruncateStmt": _truncate,
    "GrantStmt": _grant,
    "CommentStmt": _object("object", "objtype", "CommentStmt"),
    "SecLabelStmt": _object("object", "objtype", "SecLabelStmt"),
    "RenameStmt": _object("object", "renameType", "RenameStmt"),
    "AlterOwnerStmt": _object("object", "objectType", "AlterOwnerStmt"),
    "AlterObjectSchemaStmt": _object("object", "objectType", "AlterObjectSchemaStmt"),
    "DropRoleStmt": _roles,
    "CreateSchemaStmt": _own_name("schemaname", ObjectKind.schema, Effect.ddl),
    "CreateRoleStmt": _own_name("role", ObjectKind.role, Effect.privilege),
    "AlterRoleStmt": _own_name("role", ObjectKind.role, Effect.privilege),
    "CreatedbStmt": _own_name("dbname", ObjectKind.database, Effect.ddl),
    "DropdbStmt": _own_name("dbname", ObjectKind.database, Effect.ddl),
    "CreateExtensionStmt": _own_name("extname", ObjectKind.extension, Effect.ddl),
    "AlterExtensionStmt": _own_name("extname", ObjectKind.extension, Effect.ddl),
}
