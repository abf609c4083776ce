"""The queries that read a database's catalog, as text; ``runtime.catalog`` runs them. Catalog tables only, no functions
of users, so that nothing of the database's own code runs (INV-2).

Row shapes are what ``Catalog.build`` takes. Every query names its tables with their schema: the search path is not
trusted.
"""

from __future__ import annotations

_CALLS = "':(?:funcid|opfuncid|aggfnoid|winfnoid) ([0-9]+)'"
"""Where a stored expression names a function (``outfuncs.c``)."""

_MADE = r"' :(resulttype|typid) [1-9][0-9]{4,}| :(func)?coltypes \(o [0-9 ]*[1-9][0-9]{4,}'"
"""Where it makes a value of a type that users made, about: see ``stored_trees.types_made``."""

_CONSTRUCTOR = "'^(multi)?range_constructor[0-9]$'"
"""What CREATE TYPE … AS RANGE makes by itself; language 12 is ``internal``, which superusers alone may use."""

_TEMPLATES: dict[str, str] = {
    "schemas": """
select n.oid::int8, n.nspname::text, n.oid = pg_catalog.pg_my_temp_schema()
from pg_catalog.pg_namespace n
where not pg_catalog.pg_is_other_temp_schema(n.oid) and n.nspname !~ '^pg_toast'
""",
    "unusable": """
select r.rolname::text, n.nspname::text
from pg_catalog.pg_roles r, pg_catalog.pg_namespace n
where pg_catalog.pg_has_role(r.oid, 'MEMBER') and not pg_catalog.has_schema_privilege(r.oid, n.oid, 'USAGE')
  and not pg_catalog.pg_is_other_temp_schema(n.oid) and n.nspname !~ '^pg_toast'
""",
    "relations": """
select c.oid::int8, n.nspname::text, c.relname::text, c.relkind::text, c.relispartition, c.relrowsecurity,
       array(select a.attname::text from pg_catalog.pg_attribute a
             where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped order by a.attnum),
       array(select a.atttypid::int8 from pg_catalog.pg_attribute a
             where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped order by a.attnum)
from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
where c.relkind in ('r', 'p', 'v', 'm', 'f', 'S') and n.nspname !~ '^pg_toast'
  and not pg_catalog.pg_is_other_temp_schema(n.oid)
""",
    "inherits": "select i.inhparent::int8, i.inhrelid::int8 from pg_catalog.pg_inherits i",
    "rules": """
select distinct r.ev_class::int8 from pg_catalog.pg_rewrite r join pg_catalog.pg_class c on c.oid = r.ev_class
where r.oid >= 16384 and not (c.relkind in ('v', 'm') and r.ev_type = '1' and r.rulename = '_RETURN')
""",
    "triggers": """
select t.tgrelid::int8, n.nspname::text, p.proname::text, p.provolatile::text
from pg_catalog.pg_trigger t join pg_catalog.pg_proc p on p.oid = t.tgfoid
     join pg_catalog.pg_namespace n on n.oid = p.pronamespace
where not t.tgisinternal and t.tgenabled <> 'D'
""",
    "view_calls": """
select distinct r.ev_class::int8, n.nspname::text, p.proname::text, p.provolatile::text, p.oid >= 16384
from pg_catalog.pg_rewrite r,
     lateral pg_catalog.regexp_matches(r.ev_action::pg_catalog.text, {calls}, 'g') f,
     pg_catalog.pg_proc p, pg_catalog.pg_namespace n
where r.oid >= 16384 and p.oid = f[1]::pg_catalog.oid and n.oid = p.pronamespace
""",
    "table_calls": """
select distinct x.relid, n.nspname::text, p.proname::text, p.provolatile::text, p.oid >= 16384
from (select d.adrelid::int8 as relid, d.adbin::pg_catalog.text as tree from pg_catalog.pg_attrdef d
      union all
      select c.conrelid::int8, c.conbin::pg_catalog.text from pg_catalog.pg_constraint c where c.conrelid <> 0
      union all
      select i.indrelid::int8, pg_catalog.concat(i.indexprs, i.indpred) from pg_catalog.pg_index i
      union all
      select t.partrelid::int8, t.partexprs::pg_catalog.text from pg_catalog.pg_partitioned_table t
      union all
      select l.polrelid::int8, pg_catalog.concat(l.polqual, l.polwithcheck) from pg_catalog.pg_policy l) x,
     lateral pg_catalog.regexp_matches(x.tree, {calls}, 'g') f,
     pg_catalog.pg_proc p, pg_catalog.pg_namespace n
where x.relid >= 16384 and p.oid = f[1]::pg_catalog.oid and n.oid = p.pronamespace
""",
    "planned": """
select x.relid, x.tree
from (select i.indrelid::int8 as relid, i.indexprs::pg_catalog.text as tree from pg_catalog.pg_index i
      union all
      select i.indrelid::int8, i.indpred::pg_catalog.text from pg_catalog.pg_index i
      union all
      select s.stxrelid::int8, s.stxexprs::pg_catalog.text from pg_catalog.pg_statistic_ext s
      union all
      select c.conrelid::int8, c.conbin::pg_catalog.text from pg_catalog.pg_constraint c where c.conrelid <> 0
      union all
      select t.partrelid::int8, t.partexprs::pg_catalog.text from pg_catalog.pg_partitioned_table t) x
where x.relid >= 16384 and x.tree ~ ':(funcid|opfuncid) [1-9][0-9]{4,}'
""",
    "bodies": """
select p.oid::int8, n.nspname::text, p.proname::text, p.provolatile::text, l.lanname::text,
       case when l.lanname = 'sql' then p.prosrc::text else '' end
from pg_catalog.pg_proc p join pg_catalog.pg_namespace n on n.oid = p.pronamespace
     join pg_catalog.pg_language l on l.oid = p.prolang
where p.oid >= 16384 and p.prokind = 'f'
""",
    "view_types": """
select r.ev_class::int8, r.ev_action::pg_catalog.text
from pg_catalog.pg_rewrite r
where r.oid >= 16384 and r.ev_action::pg_catalog.text ~ {made}
""",
    "view_locks": """
select distinct r.ev_class::int8 from pg_catalog.pg_rewrite r
where r.oid >= 16384 and r.ev_action::pg_catalog.text ~ ':hasForUpdate true'
""",
    "cascades": """
select c.confrelid::int8, c.conrelid::int8, c.confdeltype <> 'a' and c.confdeltype <> 'r',
       c.confupdtype <> 'a' and c.confupdtype <> 'r'
from pg_catalog.pg_constraint c
where c.contype = 'f' and (c.confdeltype in ('c', 'n', 'd') or c.confupdtype in ('c', 'n', 'd'))
""",
    "event_triggers": """
select n.nspname::text, p.proname::text, p.provolatile::text
from pg_catalog.pg_event_trigger e join pg_catalog.pg_proc p on p.oid = e.evtfoid
     join pg_catalog.pg_namespace n on n.oid = p.pronamespace
where e.evtenabled <> 'D' and e.evtevent <> 'login'
""",
    "view_relations": """
select distinct r.ev_class::int8, d.refobjid::int8
from pg_catalog.pg_depend d join pg_catalog.pg_rewrite r on r.oid = d.objid
where d.classid = 'pg_catalog.pg_rewrite'::pg_catalog.regclass
  and d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass and d.refobjid <> r.ev_class
""",
    "functions": """
select n.nspname::text, p.proname::text, p.proargtypes::pg_catalog.oid[]::int8[], p.pronargdefaults::int4,
       p.provariadic <> 0, p.provolatile::text,
       case when p.prolang = 12 and p.prosrc ~ {constructor} then 'constructor' else l.lanname::text end,
       p.prokind::text, p.prosecdef,
       case when l.lanname = 'sql' and p.prosqlbody is null and p.proconfig is null and not p.prosecdef
                 and not p.proretset and p.prokind = 'f'
            then p.prosrc::text else '' end, p.prorettype::int8
from pg_catalog.pg_proc p join pg_catalog.pg_namespace n on n.oid = p.pronamespace
     join pg_catalog.pg_language l on l.oid = p.prolang
where (p.oid >= 16384 or n.nspname not in ('pg_catalog', 'information_schema'))
  and not pg_catalog.pg_is_other_temp_schema(n.oid)
""",
    "domain_calls": """
select distinct x.typid, n.nspname::text, p.proname::text, p.provolatile::text, p.oid >= 16384
from (select c.contypid::int8 as typid, c.conbin::pg_catalog.text as tree from pg_catalog.pg_constraint c
      union all
      select t.oid::int8, t.typdefaultbin::pg_catalog.text from pg_catalog.pg_type t where t.typtype = 'd') x,
     lateral pg_catalog.regexp_matches(x.tree, {calls}, 'g') f,
     pg_catalog.pg_proc p, pg_catalog.pg_namespace n
where x.typid >= 16384 and p.oid = f[1]::pg_catalog.oid and n.oid = p.pronamespace
""",
    "domain_types": """
select distinct c.contypid::int8 from pg_catalog.pg_constraint c
where c.contypid >= 16384 and c.conbin::pg_catalog.text ~ {made}
""",
    "types": """
select t.oid::int8, n.nspname::text, t.typname::text, t.typtype::text, t.typelem::int8,
       case when t.typtype in ('r', 'm')
            then array(select r.rngsubtype::int8 from pg_catalog.pg_range r
                       where (r.rngtypid = t.oid or pg_catalog.to_jsonb(r) ->> 'rngmultitypid' = t.oid::pg_catalog.text)
                             and r.rngcanonical = 0)
            when t.typtype = 'd' then array[t.typbasetype::int8]
            else array(select a.atttypid::int8 from pg_catalog.pg_attribute a
                       where t.typtype = 'c' and a.attrelid = t.typrelid and a.attnum > 0 and not a.attisdropped)
       end
from pg_catalog.pg_type t join pg_catalog.pg_namespace n on n.oid = t.typnamespace
where (t.oid >= 16384 or n.nspname <> 'pg_catalog') and n.nspname !~ '^pg_toast'
  and not pg_catalog.pg_is_other_temp_schema(n.oid)
""",
    "operators": """
select n.nspname::text, o.oprname::text, o.oprleft::int8, o.oprright::int8
from pg_catalog.pg_operator o join pg_catalog.pg_namespace n on n.oid = o.oprnamespace
where o.oid >= 16384 or n.nspname <> 'pg_catalog'
""",
    "own_operators": """
select o.oprname::text, o.oprleft::int8 from pg_catalog.pg_operator o
where o.oid < 16384 and o.oprleft = o.oprright
""",
    "casts": """
select c.castsource::int8, c.casttarget::int8, c.castcontext::text,
       c.castmethod <> 'b' and not coalesce(p.prolang = 12 and p.prosrc ~ {constructor}, false)
from pg_catalog.pg_cast c left join pg_catalog.pg_proc p on p.oid = c.castfunc
where c.oid >= 16384
""",
}
CATALOG_QUERIES = {
    name: query.replace("{calls}", _CALLS).replace("{made}", _MADE).replace("{constructor}", _CONSTRUCTOR)
    for name, query in _TEMPLATES.items()
}
"""Name to query. Run them in one REPEATABLE READ transaction, so that they agree with each other."""

_WATCHED = (
    "pg_class", "pg_attribute", "pg_namespace", "pg_inherits", "pg_proc", "pg_type", "pg_operator", "pg_cast",
    "pg_trigger", "pg_rewrite", "pg_attrdef", "pg_constraint", "pg_policy", "pg_index",
    "pg_event_trigger", "pg_auth_members", "pg_statistic_ext", "pg_partitioned_table",
)  # fmt: skip

_FINGERPRINT_PART = (
    "(select pg_catalog.concat_ws('/', pg_catalog.count(*), "
    "pg_catalog.sum(x.xmin::pg_catalog.text::pg_catalog.int8)) from pg_catalog.{} x)"
)
_FINGERPRINT = f"pg_catalog.concat_ws(':', {', '.join(map(_FINGERPRINT_PART.format, _WATCHED))})"
FINGERPRINT_QUERY = f"select {_FINGERPRINT}"
"""One text that is another when any row of these catalogs was added, changed or taken away."""

NEWS_QUERY = """
select now.snapshot, case when now.snapshot = %s then null else {fingerprint} end
from (select case when not pg_catalog.pg_is_in_recovery() then pg_catalog.pg_current_snapshot()::pg_catalog.text end
      as snapshot) now
""".replace("{fingerprint}", _FINGERPRINT)
"""The snapshot of this moment, and the fingerprint, unless the snapshot is the one that is given: then no transaction
has ended since, the same is to be seen, and nothing was looked through. A standby tells no snapshot: those that it has
do not name what runs on its primary (``pg_current_snapshot`` leaves out the ids that a standby keeps apart)."""
