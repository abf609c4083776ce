"""The words of ``kinds`` are those that analysis gives, all of them and no other."""

from __future__ import annotations

import pytest

from hoopd.policy import PolicyError, load
from hoopd.policy.kinds import KINDS
from hoopd.sql.kinds import KNOWN, kind_of

TRANSACTIONS = [
    *("BEGIN", "START", "COMMIT", "ROLLBACK", "SAVEPOINT", "RELEASE", "ROLLBACK_TO", "PREPARE"),
    *("COMMIT_PREPARED", "ROLLBACK_PREPARED"),
]
CONTENTS: list[tuple[str, dict[str, object]]] = [
    *(("TransactionStmt", {"kind": f"TRANS_STMT_{word}"}) for word in TRANSACTIONS),
    ("TransactionStmt", {"kind": "?"}),
    ("VariableSetStmt", {"kind": "VAR_SET_MULTI"}),
    ("VariableSetStmt", {"kind": "VAR_RESET_ALL"}),
    ("VariableSetStmt", {"kind": "VAR_SET_VALUE"}),
    ("DropStmt", {"removeType": "OBJECT_MATVIEW"}),
    ("DropStmt", {"removeType": "OBJECT_FDW"}),
    ("DropStmt", {"removeType": "OBJECT_TABLE"}),
    ("AlterTableStmt", {"objtype": "OBJECT_TABLE"}),
    ("AlterOwnerStmt", {"objectType": "OBJECT_LARGEOBJECT"}),
    ("AlterObjectSchemaStmt", {"objectType": "OBJECT_TSPARSER"}),
    ("RenameStmt", {"renameType": "OBJECT_COLUMN", "relationType": "OBJECT_VIEW"}),
    ("RenameStmt", {"renameType": "OBJECT_TABCONSTRAINT"}),
    ("DefineStmt", {"kind": "OBJECT_AGGREGATE"}),
    ("CreateTableAsStmt", {"objtype": "OBJECT_MATVIEW"}),
    ("CreateTableAsStmt", {"objtype": "OBJECT_TABLE"}),
    ("CreateFunctionStmt", {"is_procedure": True}),
    ("CreateFunctionStmt", {}),
    ("GrantStmt", {"is_grant": True}),
    ("GrantStmt", {}),
    ("GrantRoleStmt", {"is_grant": True}),
    ("GrantRoleStmt", {}),
    ("VacuumStmt", {"is_vacuumcmd": True}),
    ("VacuumStmt", {}),
    ("SelectStmt", {"intoClause": {}}),
    ("NoSuchStmt", {}),
]


@pytest.mark.parametrize(("node", "content"), CONTENTS)
def test_what_depends_on_content_has_its_word(node: str, content: dict[str, object]) -> None:
    assert kind_of(node, content)[0] in KINDS


def test_every_kind_of_statement_has_its_word() -> None:
    words = {kind_of(node, {})[0] for node in KNOWN}

    assert {word for word in words if not word.endswith("_")} <= KINDS


@pytest.mark.parametrize("word", ["drop_everything", "explain_analyze", "copy_to", "DROP_TABLE", "dorp_*", "***"])
def test_a_word_that_no_statement_has_is_refused(word: str) -> None:
    """A rule that could never match would protect nothing."""
    with pytest.raises(PolicyError, match="not known here"):
        load(f"version: 1\nrules:\n  - {{name: a, match: {{kinds: ['{word}']}}, then: deny}}\n", "p.yaml")
