"""The screen of a terminal program, as lines of text: just enough of ECMA-48 to read what a full-screen program drew.

Knows cursor movement, erasing and text; passes over colours and modes. Not a terminal: nothing here answers.
"""

from __future__ import annotations

import re

from rich.cells import cell_len

_SEQUENCE = re.compile(
    r"\x1b\[(?P<private>[?<>=]?)(?P<arguments>[\d;:]*)[ $]?(?P<final>[@-~])|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)"
    r"|\x1bP[^\x1b]*\x1b\\|\x1b[()][0-9A-B]|\x1b[=>78cDEHM]"
)
_CUT = re.compile(r"\x1b(?:\[[?<>=]?[\d;:]*[ $]?|\][^\x07\x1b]*|P[^\x1b]*|[()]?)?\Z")


class Screen:
    """``columns`` by ``rows`` cells, fed with what a program wrote."""

    def __init__(self, columns: int, rows: int) -> None:
        self.columns, self.rows = columns, rows
        self._cells = [[" "] * columns for _ in range(rows)]
        self._row = self._column = 0
        self._rest = ""

    @property
    def lines(self) -> list[str]:
        """What is on it, without blanks at the ends of lines."""
        return ["".join(row).rstrip() for row in self._cells]

    @property
    def text(self) -> str:
        return "\n".join(self.lines)

    def feed(self, data: str) -> None:
        """Take what the program wrote; a sequence that is cut in two is put together."""
        data, self._rest = self._rest + data, ""
        place = 0
        while place < len(data):
            if data[place] != "\x1b":
                self._put(data[place])
                place += 1
                continue
            found = _SEQUENCE.match(data, place)
            if found is not None:
                self._obey(found)
                place = found.end()
            elif _CUT.match(data, place):
                self._rest = data[place:]
                return
            else:
                place += 1

    def _put(self, letter: str) -> None:
        match letter:
            case "\r":
                self._column = 0
            case "\n":
                self._row = min(self._row + 1, self.rows - 1)
            case "\b":
                self._column = max(0, self._column - 1)
            case _ if letter >= " ":
                self._draw(letter)

    def _draw(self, letter: str) -> None:
        width = cell_len(letter)
        if self._column < self.columns:
            self._cells[self._row][self._column] = letter
            if width == 2 and self._column + 1 < self.columns:
                self._cells[self._row][self._column + 1] = ""
        self._column += width

    def _obey(self, found: re.Match[str]) -> None:
        final = found["final"]
        if final is None or found["private"]:
            return
        given = [int(part) if part.isdigit() else 0 for part in (found["arguments"] or "").split(";")]
        first = given[0]
        match final:
            case "H" | "f":
                self._move(max(first, 1) - 1, max(given[1] if len(given) > 1 else 1, 1) - 1)
            case "A":
                self._move(self._row - max(first, 1), self._column)
            case "B":
                self._move(self._row + max(first, 1), self._column)
            case "C":
                self._move(self._row, self._column + max(first, 1))
            case "D":
                self._move(self._row, self._column - max(first, 1))
            case "G":
                self._move(self._row, max(first, 1) - 1)
            case "J" | "K":
                self._erase(final, first)

    def _move(self, row: int, column: int) -> None:
        self._row = min(max(row, 0), self.rows - 1)
        self._column = min(max(column, 0), self.columns - 1)

    def _erase(self, final: str, how: int) -> None:
        row = self._cells[self._row]
        if how == 2:
            wiped = self._cells if final == "J" else [row]
        else:
            start, end = (self._column, self.columns) if how == 0 else (0, self._column + 1)
            row[start:end] = [" "] * (end - start)
            if final == "K":
                return
            wiped = self._cells[self._row + 1 :] if how == 0 else self._cells[: self._row]
        for line in wiped:
            line[:] = [" "] * self.columns
