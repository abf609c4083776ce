"""One statement's result on its way to the client: masked, counted, and kept for the record.

A cell reaches the client or the record only after its mask (INV-4). Where masks are in force, a result whose columns
are not those that were planned is refused before its first row (:class:`UnplannedResult`); the cells of a row are held
against them where the row is masked or kept.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from hoopd.masking.plan import MaskPlan
from hoopd.masking.text import cells_as_text
from hoopd.masking.values import MaskContext, mask_value
from hoopd.pgwire.backend import Field, make_data_row, read_data_row
from hoopd.pgwire.framing import Frame, Rows
from hoopd.pgwire.frontend import format_of

KEPT_ROWS = 1_000
KEPT_BYTES = 256 * 1024
CHUNK_ROWS = 100
_TEXT = 25
ROWS_BUT_NO_COLUMNS = frozenset({"explain", "show"})
"""Kinds whose rows are made by the server itself, and hold no column's values."""


def formatted(fields: Sequence[Field], formats: Sequence[int]) -> tuple[Field, ...]:
    """The columns of a statement in the formats that a Bind asked for: none, one for all, or one for each."""
    codes = [format_of(formats, index) for index in range(len(fields))]
    return tuple(f if f.format == code else replace(f, format=code) for f, code in zip(fields, codes, strict=True))


class UnplannedResult(Exception):
    """The database answers with columns that the analysis did not foresee."""


@dataclass(slots=True)
class ResultRelay:
    """Relays rows of one statement. ``context`` holds the key of hashing masks."""

    plan: MaskPlan
    kind: str
    context: MaskContext
    fields: tuple[Field, ...] | None = None
    rows: int = 0
    kept_bytes: int = 0
    kept_rows: int = 0
    not_kept: int = 0
    full: bool = False
    """A row was not kept, so no later one is: the record has the first ones."""
    columns_told: bool = False
    chunk: list[tuple[str | None, ...]] = field(default_factory=list)

    def describe(self, fields: tuple[Field, ...]) -> None:
        """Take the columns of the answer, before its first row.

        Raises:
            UnplannedResult: masks are in force and these are not the columns that were planned, or are those of another
                table: the server looks a name up once more when it had to wait for a lock on what it meant.
        """
        self.fields = fields
        if not self.plan.in_force or self.kind in ROWS_BUT_NO_COLUMNS:
            return
        if len(fields) != len(self.plan.columns):
            raise UnplannedResult(
                f"the answer has {len(fields)} columns where the analysis saw {len(self.plan.columns)}: "
                "it was withheld, since columns of this connection are masked"
            )
        if any(field.table_oid and field.table_oid not in self.plan.relations for field in fields):
            raise UnplannedResult(
                "the answer has columns of another table than the statement named when it was judged: it was withheld, "
                "since columns of this connection are masked"
            )

    def row(self, frame: Frame) -> bytes:
        """The DataRow as the client may see it.

        Raises:
            UnplannedResult: a row came without its columns, or with another number of cells.
        """
        if self.fields is None:
            raise UnplannedResult("the database sent a row without its columns")
        self.rows += 1
        keep = not self.full and self.kept_rows < KEPT_ROWS and self.kept_bytes + len(frame.body) <= KEPT_BYTES
        masked = any(self.plan.columns) if self.plan.in_force else False
        if not keep:
            self.full = True
            self.not_kept += 1
            if not masked:
                return frame.data
        cells = read_data_row(frame.body)
        if len(cells) != len(self.fields):
            raise UnplannedResult("the database sent a row whose cells do not match its columns")
        if masked:
            cells = self._masked(cells)
        if keep:
            self._keep(cells, len(frame.body))
        return make_data_row(cells) if masked else frame.data

    def pass_over(self, rows: Rows) -> bool:
        """Whether all of ``rows`` may pass as they are: none is masked, and none kept. They are counted then.

        Raises:
            UnplannedResult: rows came without their columns.
        """
        if self.fields is None:
            raise UnplannedResult("the database sent a row without its columns")
        if not self.full or (self.plan.in_force and any(self.plan.columns)):
            return False
        self.rows += rows.count
        self.not_kept += rows.count
        return True

    def describe_copy(self) -> None:
        """The answer is a COPY: its lines are kept as they are."""
        self.fields = (Field("copy", 0, 0, _TEXT, -1, -1, 0),)

    def copied_row(self, data: bytes, *, binary: bool) -> None:
        """One row of a COPY, which goes to the client as it came."""
        self.rows += 1
        if binary or self.kept_rows >= KEPT_ROWS or self.kept_bytes + len(data) > KEPT_BYTES:
            self.not_kept += 1
        else:
            self._keep([data.rstrip(b"\r\n")], len(data))

    def _masked(self, cells: list[bytes | None]) -> list[bytes | None]:
        assert self.fields is not None
        return [
            cell
            if mask is None
            else mask_value(mask, column.type_oid, column.format == 1, cell, self.context, column.type_modifier)
            for cell, mask, column in zip(cells, self.plan.columns, self.fields, strict=True)
        ]

    def _keep(self, cells: list[bytes | None], size: int) -> None:
        assert self.fields is not None
        self.kept_rows += 1
        self.kept_bytes += size
        self.chunk.append(
            tuple(cells_as_text(f.type_oid, f.format == 1, cell) for f, cell in zip(self.fields, cells, strict=True))
        )

    def take_chunk(self, *, last: bool) -> tuple[tuple[str, ...], tuple[tuple[str | None, ...], ...], int] | None:
        """Columns (once), rows and number of rows not kept that are due for the record, or None."""
        due = len(self.chunk) >= CHUNK_ROWS or (last and (self.chunk or self.not_kept or self._untold()))
        if not due:
            return None
        columns = tuple(f.name for f in self.fields or ()) if not self.columns_told else ()
        self.columns_told = True
        rows, self.chunk = tuple(self.chunk), []
        missing, self.not_kept = (self.not_kept, 0) if last else (0, self.not_kept)
        return columns, rows, missing

    def _untold(self) -> bool:
        return bool(self.fields) and not self.columns_told
