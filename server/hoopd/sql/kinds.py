"""The word and the effects of every kind of statement that PostgreSQL has.

Closed: a statement node that is not here is ``unknown`` and opaque (INV-2). Effects are those of the statement itself;
what its parts do (functions, CTEs, an inner query) is added by the walk. Must not look into expressions.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from hoopd.sql.facts import Effect, ObjectKind

Node = Mapping[str, Any]
_Effects = frozenset[Effect]

_NONE: _Effects = frozenset()
_READ = frozenset({Effect.read})
_WRITE = frozenset({Effect.write})
_DDL = frozenset({Effect.ddl})
_PRIVILEGE = frozenset({Effect.privilege})
_SESSION = frozenset({Effect.session})
_TRANSACTION = frozenset({Effect.transaction})
_LOCK = frozenset({Effect.lock})
_MAINTENANCE = frozenset({Effect.maintenance})
_EXTERNAL = frozenset({Effect.external})
_OPAQUE = frozenset({Effect.opaque})

_FIXED: Mapping[str, tuple[str, _Effects]] = {
    "SelectStmt": ("select", _READ),
    "InsertStmt": ("insert", _WRITE),
    "UpdateStmt": ("update", _WRITE),
    "DeleteStmt": ("delete", _WRITE),
    "MergeStmt": ("merge", _WRITE),
    "TruncateStmt": ("truncate", _WRITE),
    "CopyStmt": ("copy", _NONE),
    "ExplainStmt": ("explain", _READ),
    "CallStmt": ("call", _OPAQUE),
    "DoStmt": ("do", _OPAQUE),
    "LoadStmt": ("load", _EXTERNAL | _OPAQUE),
    "ReturnStmt": ("return", _NONE),
    "PLAssignStmt": ("assign", _OPAQUE),
    # Session
    "VariableShowStmt": ("show", _READ),
    "DiscardStmt": ("discard", _SESSION),
    "ListenStmt": ("listen", _SESSION),
    "UnlistenStmt": ("unlisten", _SESSION),
    "NotifyStmt": ("notify", _EXTERNAL),
    "PrepareStmt": ("prepare", _NONE),
    "ExecuteStmt": ("execute", _NONE),
    "DeallocateStmt": ("deallocate", _SESSION),
    "DeclareCursorStmt": ("declare", _READ),
    "ClosePortalStmt": ("close", _SESSION),
    "ConstraintsSetStmt": ("set_constraints", _TRANSACTION),
    "LockStmt": ("lock", _LOCK),
    # Maintenance
    "ClusterStmt": ("cluster", _MAINTENANCE),
    "ReindexStmt": ("reindex", _MAINTENANCE),
    "CheckPointStmt": ("checkpoint", _MAINTENANCE),
    "RefreshMatViewStmt": ("refresh_materialized_view", _MAINTENANCE | _WRITE),
    "AlterDatabaseRefreshCollStmt": ("alter_database", _MAINTENANCE),
    # Tables and what hangs on them
    "CreateStmt": ("create_table", _DDL),
    "IndexStmt": ("create_index", _DDL),
    "CreateStatsStmt": ("create_statistics", _DDL),
    "AlterStatsStmt": ("alter_statistics", _DDL),
    "ViewStmt": ("create_view", _DDL),
    "RuleStmt": ("create_rule", _DDL | _OPAQUE),
    "CreateTrigStmt": ("create_trigger", _DDL | _OPAQUE),
    "CreatePolicyStmt": ("create_policy", _DDL | _PRIVILEGE),
    "AlterPolicyStmt": ("alter_policy", _DDL | _PRIVILEGE),
    "CreateSeqStmt": ("create_sequence", _DDL),
    "AlterSeqStmt": ("alter_sequence", _DDL),
    "CreateSchemaStmt": ("create_schema", _DDL),
    "ReplicaIdentityStmt": ("alter_table", _DDL),
    # Types, functions, operators, text search
    "CompositeTypeStmt": ("create_type", _DDL),
    "CreateEnumStmt": ("create_type", _DDL),
    "CreateRangeStmt": ("create_type", _DDL),
    "AlterEnumStmt": ("alter_type", _DDL),
    "AlterTypeStmt": ("alter_type", _DDL),
    "CreateDomainStmt": ("create_domain", _DDL),
    "AlterDomainStmt": ("alter_domain", _DDL),
    "AlterCollationStmt": ("alter_collation", _DDL),
    "AlterFunctionStmt": ("alter_function", _DDL),
    "CreateCastStmt": ("create_cast", _DDL),
    "CreateTransformStmt": ("create_transform", _DDL),
    "CreateConversionStmt": ("create_conversion", _DDL),
    "CreateOpClassStmt": ("create_operator_class", _DDL),
    "CreateOpFamilyStmt": ("create_operator_family", _DDL),
    "AlterOpFamilyStmt": ("alter_operator_family", _DDL),
    "AlterOperatorStmt": ("alter_operator", _DDL),
    "AlterTSDictionaryStmt": ("alter_text_search_dictionary", _DDL),
    "AlterTSConfigurationStmt": ("alter_text_search_configuration", _DDL),
    "CreatePLangStmt": ("create_language", _DDL | _EXTERNAL),
    "CreateAmStmt": ("create_access_method", _DDL | _EXTERNAL),
    "CreateEventTrigStmt": ("create_event_trigger", _DDL | _OPAQUE),
    "AlterEventTrigStmt": ("alter_event_trigger", _DDL | _OPAQUE),
    "AlterObjectDependsStmt": ("alter_dependency", _DDL),
    "CommentStmt": ("comment", _DDL),
    # Privileges
    "AlterDefaultPrivilegesStmt": ("alter_default_privileges", _PRIVILEGE),
    "CreateRoleStmt": ("create_role", _PRIVILEGE),
    "AlterRoleStmt": ("alter_role", _PRIVILEGE),
    "AlterRoleSetStmt": ("alter_role", _PRIVILEGE),
    "DropRoleStmt": ("drop_role", _PRIVILEGE),
    "DropOwnedStmt": ("drop_owned", _DDL | _PRIVILEGE),
    "ReassignOwnedStmt": ("reassign_owned", _PRIVILEGE),
    "SecLabelStmt": ("security_label", _PRIVILEGE),
    # What leaves the database
    "CreatedbStmt": ("create_database", _DDL | _EXTERNAL),
    "DropdbStmt": ("drop_database", _DDL | _EXTERNAL),
    "AlterDatabaseStmt": ("alter_database", _DDL | _EXTERNAL),
    "AlterDatabaseSetStmt": ("alter_database", _PRIVILEGE | _EXTERNAL),
    "AlterSystemStmt": ("alter_system", _EXTERNAL),
    "CreateTableSpaceStmt": ("create_tablespace", _DDL | _EXTERNAL),
    "DropTableSpaceStmt": ("drop_tablespace", _DDL | _EXTERNAL),
    "AlterTableSpaceOptionsStmt": ("alter_tablespace", _DDL | _EXTERNAL),
    "AlterTableMoveAllStmt": ("alter_tablespace", _DDL | _EXTERNAL),
    "CreateExtensionStmt": ("create_extension", _DDL | _EXTERNAL | _OPAQUE),
    "AlterExtensionStmt": ("alter_extension", _DDL | _EXTERNAL | _OPAQUE),
    "AlterExtensionContentsStmt": ("alter_extension", _DDL | _EXTERNAL),
    "CreateFdwStmt": ("create_foreign_data_wrapper", _DDL | _EXTERNAL),
    "AlterFdwStmt": ("alter_foreign_data_wrapper", _DDL | _EXTERNAL),
    "CreateForeignServerStmt": ("create_server", _DDL | _EXTERNAL),
    "AlterForeignServerStmt": ("alter_server", _DDL | _EXTERNAL),
    "CreateForeignTableStmt": ("create_foreign_table", _DDL | _EXTERNAL),
    "ImportForeignSchemaStmt": ("import_foreign_schema", _DDL | _EXTERNAL),
    "CreateUserMappingStmt": ("create_user_mapping", _PRIVILEGE | _EXTERNAL),
    "AlterUserMappingStmt": ("alter_user_mapping", _PRIVILEGE | _EXTERNAL),
    "DropUserMappingStmt": ("drop_user_mapping", _PRIVILEGE | _EXTERNAL),
    "CreatePublicationStmt": ("create_publication", _DDL | _EXTERNAL),
    "AlterPublicationStmt": ("alter_publication", _DDL | _EXTERNAL),
    "CreateSubscriptionStmt": ("create_subscription", _DDL | _EXTERNAL),
    "AlterSubscriptionStmt": ("alter_subscription", _DDL | _EXTERNAL),
    "DropSubscriptionStmt": ("drop_subscription", _DDL | _EXTERNAL),
}

_TRANSACTIONS = {
    "BEGIN": "begin",
    "START": "begin",
    "COMMIT": "commit",
    "ROLLBACK": "rollback",
    "SAVEPOINT": "savepoint",
    "RELEASE": "release",
    "ROLLBACK_TO": "rollback_to",
    "PREPARE": "prepare_transaction",
    "COMMIT_PREPARED": "commit_prepared",
    "ROLLBACK_PREPARED": "rollback_prepared",
}
HARMLESS_TRANSACTIONS = frozenset({"begin", "commit", "rollback", "savepoint", "release", "rollback_to"})

_OBJECT_WORDS = {
    "MATVIEW": "materialized_view",
    "TABCONSTRAINT": "table",
    "DOMCONSTRAINT": "domain",
    "ATTRIBUTE": "type",
}
_EXTERNAL_OBJECTS = frozenset(
    {"database", "extension", "fdw", "foreign_server", "foreign_table", "publication", "subscription", "tablespace",
     "user_mapping", "language", "access_method"}
)  # fmt: skip
_PRIVILEGE_OBJECTS = frozenset({"role", "policy", "defacl"})
_OWNERSHIP = frozenset(
    {"AT_ChangeOwner", "AT_EnableRowSecurity", "AT_DisableRowSecurity", "AT_ForceRowSecurity", "AT_NoForceRowSecurity"}
)

_OBJECT_KINDS = {
    "table": ObjectKind.table,
    "view": ObjectKind.view,
    "materialized_view": ObjectKind.materialized_view,
    "foreign_table": ObjectKind.foreign_table,
    "sequence": ObjectKind.sequence,
    "index": ObjectKind.index,
    "type": ObjectKind.type,
    "domain": ObjectKind.type,
    "function": ObjectKind.function,
    "procedure": ObjectKind.function,
    "routine": ObjectKind.function,
    "aggregate": ObjectKind.function,
    "schema": ObjectKind.schema,
    "database": ObjectKind.database,
    "role": ObjectKind.role,
    "extension": ObjectKind.extension,
}
RELATION_WORDS = frozenset({"table", "view", "materialized_view", "foreign_table", "sequence"})
ON_RELATION_WORDS = frozenset({"column", "rule", "trigger", "policy"})


def object_word(object_type: str) -> str:
    """``OBJECT_MATVIEW`` as ``materialized_view``: the word that stands behind ``drop_`` and ``alter_``."""
    bare = object_type.removeprefix("OBJECT_")
    return _OBJECT_WORDS.get(bare, bare.lower())


def object_kind(word: str) -> ObjectKind:
    return _OBJECT_KINDS.get(word, ObjectKind.unknown)


def _object_effects(word: str) -> _Effects:
    if word in _EXTERNAL_OBJECTS:
        return _DDL | _EXTERNAL
    if word in _PRIVILEGE_OBJECTS:
        return _DDL | _PRIVILEGE
    return _DDL


def _transaction(node: Node) -> tuple[str, _Effects]:
    word = _TRANSACTIONS.get(str(node.get("kind", "")).removeprefix("TRANS_STMT_"))
    return (word, _TRANSACTION) if word else ("unknown", _OPAQUE)


def _set(node: Node) -> tuple[str, _Effects]:
    kind = node.get("kind", "")
    if kind == "VAR_SET_MULTI":
        return "set_transaction", _TRANSACTION
    return ("reset" if kind in ("VAR_RESET", "VAR_RESET_ALL") else "set"), _SESSION


def _drop(node: Node) -> tuple[str, _Effects]:
    word = object_word(node.get("removeType", ""))
    return f"drop_{word}", _object_effects(word)


def _alter_table(node: Node) -> tuple[str, _Effects]:
    word = object_word(node.get("objtype", ""))
    subtypes = {c.get("AlterTableCmd", {}).get("subtype") for c in node.get("cmds", ())}
    return f"alter_{word}", _object_effects(word) | (_PRIVILEGE if subtypes & _OWNERSHIP else _NONE)


def _rename(node: Node) -> tuple[str, _Effects]:
    word = object_word(node.get("renameType", ""))
    if word == "column":
        word = object_word(node.get("relationType", ""))
    return f"alter_{word}", _object_effects(word)


def _owner(node: Node) -> tuple[str, _Effects]:
    word = object_word(node.get("objectType", ""))
    return f"alter_{word}", _object_effects(word) | _PRIVILEGE


def _move(node: Node) -> tuple[str, _Effects]:
    word = object_word(node.get("objectType", ""))
    return f"alter_{word}", _object_effects(word)


def _create_as(node: Node) -> tuple[str, _Effects]:
    if object_word(node.get("objtype", "")) == "materialized_view":
        return "create_materialized_view", _DDL
    return "create_table_as", _DDL | _WRITE


def _function(node: Node) -> tuple[str, _Effects]:
    return ("create_procedure" if node.get("is_procedure") else "create_function"), _DDL | _OPAQUE


_BY_CONTENT: Mapping[str, Callable[[Node], tuple[str, _Effects]]] = {
    "TransactionStmt": _transaction,
    "VariableSetStmt": _set,
    "DropStmt": _drop,
    "AlterTableStmt": _alter_table,
    "RenameStmt": _rename,
    "AlterOwnerStmt": _owner,
    "AlterObjectSchemaStmt": _move,
    "CreateTableAsStmt": _create_as,
    "CreateFunctionStmt": _function,
    "DefineStmt": lambda node: (f"create_{object_word(node.get('kind', ''))}", _DDL),
    "GrantStmt": lambda node: ("grant" if node.get("is_grant") else "revoke", _PRIVILEGE),
    "FetchStmt": lambda node: ("move" if node.get("ismove") else "fetch", _READ),
    "GrantRoleStmt": lambda node: ("grant_role" if node.get("is_grant") else "revoke_role", _PRIVILEGE),
    "VacuumStmt": lambda node: ("vacuum" if node.get("is_vacuumcmd") else "analyze", _MAINTENANCE),
}

KNOWN = frozenset(_FIXED) | frozenset(_BY_CONTENT)
NEVER_PARSED = frozenset({"RawStmt", "SetOperationStmt"})
"""Nodes whose names end so, and that the grammar never gives as a statement."""


def kind_of(node_type: str, node: Node) -> tuple[str, frozenset[Effect]]:
    """The word for a statement and its own effects; ``unknown`` and opaque for one that is not known here."""
    if node_type == "SelectStmt" and "intoClause" in node:
        return "select_into", _READ | _DDL | _WRITE
    fixed = _FIXED.get(node_type)
    if fixed is not None:
        return fixed
    by_content = _BY_CONTENT.get(node_type)
    return by_content(node) if by_content is not None else ("unknown", _OPAQUE)
