"""Holds the analysis against the server: what is judged a plain read is run, and must be one.

Twice: in a READ ONLY transaction, where PostgreSQL itself refuses a write with 25006, and in one that may write, with a
look at everything else before and after. Nothing else is run.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from itertools import islice
from typing import Self

import psycopg

from hoopd.domain.statement import SessionState
from hoopd.policy.matching import needs
from hoopd.sql.analysis import analyse
from hoopd.sql.catalog import CATALOG_QUERIES, FINGERPRINT_QUERY, Catalog
from hoopd.sql.facts import Effect
from tests.oracle.probes import Difference, Watch, differences, has_canary

TOGETHER = 40
"""Statements between two looks; where something differs, they are run again one by one."""
_READ_ONLY = "25006"


def read_catalog(connection: psycopg.Connection[tuple[object, ...]]) -> Catalog:
    rows = {name: connection.execute(query.encode()).fetchall() for name, query in CATALOG_QUERIES.items()}
    mark = connection.execute(FINGERPRINT_QUERY.encode()).fetchone()
    return Catalog.build(rows, str(mark[0]) if mark else "")


class Trial:
    """One session of the service role, tried with statements. ``found`` are the breaks, each with its statement."""

    def __init__(self, dsn: str, watch_dsn: str, search_path: str) -> None:
        self.session = psycopg.connect(
            dsn, autocommit=True, prepare_threshold=None, options="-c client_min_messages=error"
        )
        self.session.execute("select set_config('search_path', %s, false)", (search_path,))
        self.session.execute("set statement_timeout = '2s'")
        self.watch = Watch(watch_dsn, self.session)
        self.counted: Counter[str] = Counter()
        self.found: list[str] = []
        self.refused: Counter[str] = Counter()
        with psycopg.connect(watch_dsn, autocommit=True) as owner:
            self._catalog = read_catalog(owner)
        role = str(self._one("select current_user"))
        version = self.session.info.server_version
        self._state = SessionState(search_path, role=role, user=role, transaction="I", server_version=version)

    def _one(self, query: str) -> object:
        row = self.session.execute(query.encode()).fetchone()
        return row[0] if row else None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *problem: object) -> None:
        self.watch.close()
        self.session.close()

    def is_plain_read(self, text: str) -> bool:
        """Whether a rule that allows reads of everything, and nothing but reads, would let it run."""
        batch = analyse(text, self._state, self._catalog)
        return all(
            facts.error is None and facts.forbidden is None and all(need.effect is Effect.read for need in needs(facts))
            for facts in batch
        )

    def why(self, text: str) -> str:
        """In words, what else than reading the analysis sees."""
        batch = analyse(text, self._state, self._catalog)
        needed = [str(need) for facts in batch for need in needs(facts) if need.effect is not Effect.read]
        wrong = [str(facts.error or facts.forbidden) for facts in batch if facts.error or facts.forbidden]
        return "; ".join([*wrong, *needed])

    def run(self, texts: Iterable[str]) -> None:
        """Try each text that is judged a plain read."""
        for batch in _batched(self._judged(texts)):
            before = self.watch.picture()
            for text in batch:
                self._try(text)
            made = differences(before, self.watch.picture())
            if made:
                self._one_by_one(batch, made)

    def _judged(self, texts: Iterable[str]) -> Iterator[str]:
        for text in texts:
            self.counted["statements"] += 1
            if self.is_plain_read(text):
                self.counted["judged plain reads"] += 1
                yield text

    def _one_by_one(self, batch: tuple[str, ...], together: list[Difference]) -> None:
        blamed: list[tuple[str, list[Difference]]] = []
        for text in batch:
            before = self.watch.picture()
            self._try(text)
            made = differences(before, self.watch.picture())
            if made:
                blamed.append((text, made))
        self.found += [f"{text}\n    leaves: {', '.join(one.what for one in made)}" for text, made in blamed]
        if not blamed:
            self.found.append(f"one of {len(batch)} statements left something, once: {together}, {batch}")

    def _try(self, text: str) -> None:
        with self._turn():
            self.session.execute("begin read only")
            self._fetch(text)
        with self._turn():
            self._fetch(text)
            self.counted["ran"] += 1

    @contextmanager
    def _turn(self) -> Iterator[None]:
        try:
            yield
        except psycopg.Error as problem:
            self._refused(problem)
        finally:
            if self.session.closed:
                raise AssertionError(f"the session ended: {self.found[-3:]}")
            for ended in ("rollback", "deallocate all", "close all"):  # PREPARE and DECLARE read, and the gateway knows
                self.session.execute(ended)

    def _fetch(self, text: str) -> None:
        try:
            rows = self._rows(text)
        except psycopg.Error as problem:
            if problem.sqlstate == _READ_ONLY:
                self.found.append(f"{text}\n    writes: {problem.diag.message_primary}; {problem.diag.context}")
            raise
        if has_canary(rows):
            self.found.append(f"{text}\n    reads the server's files")

    def _rows(self, text: str) -> list[tuple[object, ...]]:
        with self.session.cursor() as cursor:
            if text.startswith("copy"):
                with cursor.copy(text.encode()) as copy:
                    return [(bytes(piece),) for piece in copy]
            cursor.execute(text.encode())
            return cursor.fetchall() if cursor.description else []

    def _refused(self, problem: psycopg.Error) -> None:
        self.refused[problem.sqlstate or "?"] += 1
        self.counted["refused by the server"] += 1


def _batched(texts: Iterator[str]) -> Iterator[tuple[str, ...]]:
    while batch := tuple(islice(texts, TOGETHER)):
        yield batch
