"""The words that ``kinds`` may use: PostgreSQL's command tags in small letters, and what analysis tells apart further.

A word that is not here is a typing error, and a deny rule with a typing error would be an open door; so the list is
closed.
"""

from __future__ import annotations

_NOUNS = """
    access_method aggregate cast collation conversion database domain event_trigger extension foreign_data_wrapper
    foreign_table function index language large_object materialized_view operator operator_class operator_family
    policy procedure publication role routine rule schema sequence server statistics subscription table tablespace
    text_search_configuration text_search_dictionary text_search_parser text_search_template transform trigger type
    user_mapping view
"""
"""What is created, altered and dropped."""

_OTHERS = """
    select insert update delete merge values table copy copy_to copy_from explain explain_analyze call do
    declare fetch move close prepare execute deallocate set reset show discard
    begin start_transaction commit end rollback abort savepoint release rollback_to prepare_transaction
    commit_prepared rollback_prepared set_transaction set_constraints set_role set_session_authorization
    lock truncate analyze vacuum cluster reindex checkpoint load listen notify unlisten
    grant revoke grant_role revoke_role alter_default_privileges reassign_owned drop_owned
    comment security_label refresh_materialized_view import_foreign_schema alter_system select_into
    create_table_as create_user create_group alter_user alter_group drop_user drop_group alter_constraint rename
    alter_object_schema alter_object_owner alter_object_depends
"""

KINDS: frozenset[str] = frozenset(_OTHERS.split()) | {
    f"{verb}_{noun}" for verb in ("create", "alter", "drop") for noun in _NOUNS.split()
}
