"""The words that ``kinds`` may use: exactly those that analysis gives statements.

A word that is not here is a typing error, and a deny rule with a typing error would be an open door; so the list is
closed, and taken from ``sql.kinds`` itself.
"""

from __future__ import annotations

from hoopd.sql.kinds import KNOWN, kind_of, object_word

_OBJECT_TYPES = """
    ACCESS_METHOD AGGREGATE AMOP AMPROC ATTRIBUTE CAST COLUMN COLLATION CONVERSION DATABASE DEFAULT DEFACL DOMAIN
    DOMCONSTRAINT EVENT_TRIGGER EXTENSION FDW FOREIGN_SERVER FOREIGN_TABLE FUNCTION INDEX LANGUAGE LARGEOBJECT MATVIEW
    OPCLASS OPERATOR OPFAMILY PARAMETER_ACL POLICY PROCEDURE PUBLICATION PUBLICATION_NAMESPACE PUBLICATION_REL ROLE
    ROUTINE RULE SCHEMA SEQUENCE SUBSCRIPTION STATISTIC_EXT TABCONSTRAINT TABLE TABLESPACE TRANSFORM TRIGGER
    TSCONFIGURATION TSDICTIONARY TSPARSER TSTEMPLATE TYPE USER_MAPPING VIEW
"""
"""PostgreSQL's ``ObjectType``, which names what DROP, ALTER and CREATE are about."""

_BY_CONTENT = """
    unknown begin commit rollback savepoint release rollback_to prepare_transaction commit_prepared rollback_prepared
    set set_transaction reset grant revoke grant_role revoke_role vacuum analyze create_table_as
    create_materialized_view create_function create_procedure select_into fetch move
"""
"""Words that depend on what a statement holds; a test compares them with analysis."""

_FIXED = frozenset(word for word in (kind_of(node, {})[0] for node in KNOWN) if not word.endswith("_"))

KINDS: frozenset[str] = (
    _FIXED
    | frozenset(_BY_CONTENT.split())
    | {
        f"{verb}_{object_word(f'OBJECT_{object_type}')}"
        for verb in ("create", "alter", "drop")
        for object_type in _OBJECT_TYPES.split()
    }
)
