"""What changing a setting means: harmless by list, forbidden since lexing or identity hang on it, or to be decided on.

Names as in PostgreSQL's documentation, chapter 20. A setting that is not listed is neither harmless nor forbidden:
rules decide on ``session NAME``. Must not know how a change was written (SET, set_config, ALTER ROLE).
"""

from __future__ import annotations

import re
from dataclasses import dataclass

HARMLESS = frozenset(
    """application_name datestyle intervalstyle timezone extra_float_digits statement_timeout lock_timeout
    idle_in_transaction_session_timeout idle_session_timeout transaction_timeout client_min_messages bytea_output
    default_transaction_isolation default_transaction_read_only default_transaction_deferrable transaction_isolation
    transaction_read_only transaction_deferrable row_security jit work_mem hash_mem_multiplier
    enable_async_append enable_bitmapscan enable_gathermerge enable_group_by_reordering enable_hashagg enable_hashjoin
    enable_incremental_sort enable_indexonlyscan enable_indexscan enable_material enable_memoize enable_mergejoin
    enable_nestloop enable_parallel_append enable_parallel_hash enable_partition_pruning enable_partitionwise_aggregate
    enable_partitionwise_join enable_seqscan enable_sort enable_tidscan enable_presorted_aggregate
    enable_distinct_reordering enable_self_join_elimination
    geqo geqo_threshold geqo_effort plan_cache_mode cursor_tuple_fraction random_page_cost seq_page_cost cpu_tuple_cost
    cpu_index_tuple_cost cpu_operator_cost effective_cache_size parallel_setup_cost parallel_tuple_cost
    max_parallel_workers_per_gather from_collapse_limit join_collapse_limit
    lc_monetary lc_numeric lc_time xmloption xmlbinary escape_string_warning check_function_bodies
    tcp_keepalives_idle tcp_keepalives_interval tcp_keepalives_count tcp_user_timeout
    hoop.reason""".split()  # noqa: SIM905
)
PINNED = {"client_encoding": "UTF8", "standard_conforming_strings": "on"}
"""Settings that decide how the server reads text, and what they are kept at (DESIGN.md section 7, lexer drift)."""
_TRUE = re.compile(r"(?:on|1|t|tr|tru|true|y|ye|yes)\Z", re.IGNORECASE)
_UTF8 = frozenset({"utf8", "unicode"})


@dataclass(frozen=True, slots=True)
class Change:
    """What a change of one setting is. ``barrier``: later names, role or lexing may differ."""

    name: str
    harmless: bool
    barrier: bool
    forbidden: str | None = None


def judge(name: str, value: str | None, *, reset: bool = False) -> Change:
    """What setting ``name`` to ``value`` means; ``value`` None: not known before it runs. ``reset``: to its default."""
    folded = name.lower()
    if folded.startswith("hoop.") and folded != "hoop.reason":
        return Change(folded, False, True, f"the setting {folded} belongs to the gateway and cannot be changed")
    if reset:
        return Change(folded, True, folded not in HARMLESS)
    if folded == "client_encoding":
        return _pinned(folded, value is not None and re.sub(r"[^a-z0-9]", "", value.lower()) in _UTF8)
    if folded == "standard_conforming_strings":
        return _pinned(folded, value is not None and _TRUE.match(value.strip()) is not None)
    return Change(folded, folded in HARMLESS, folded not in HARMLESS)


def _pinned(name: str, same: bool) -> Change:
    if same:
        return Change(name, True, False)
    text = f"the gateway keeps {name} at {PINNED[name]}, since it decides how statements are read"
    return Change(name, False, True, text)
