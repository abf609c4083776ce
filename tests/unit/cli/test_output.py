"""What stdout carries: JSON lines, tables, and no character that a terminal obeys."""

import json

import pytest

from hoopctl import output


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain ünïcödé 漢字 🎉", "plain ünïcödé 漢字 🎉"),
        ("\x1b[2Jgone", "\\x1b[2Jgone"),
        ("\x9b31m", "\\x9b31m"),
        ("a\rb\x08\x7f\x00", "a\\x0db\\x08\\x7f\\x00"),
        ("user\u202egnp.exe", "user\\u202egnp.exe"),
        ("a\u2066b\u2069", "a\\u2066b\\u2069"),
        ("zero\u200bwidth\u200d\ufeff\u00ad", "zero\\u200bwidth\\u200d\\ufeff\\xad"),
        ("no\u00a0break\u2003blank", "no\\xa0break\\u2003blank"),
        ("line\u2028para\u2029", "line\\u2028para\\u2029"),
        ("hangul\u3164filler\u115f", "hangul\\u3164filler\\u115f"),
        ("braille\u2800", "braille\\u2800"),
        ("variation\ufe0f", "variation\\ufe0f"),
        ("tag\U000e0041", "tag\\U000e0041"),
        ("private\ue000", "private\\ue000"),
        ("half\ud800", "half\\ud800"),
        ("two\nlines\tand tab", "two\nlines\tand tab"),
    ],
)
def test_hidden_and_commanding_characters_are_written_as_escapes(text: str, shown: str) -> None:
    assert output.printable(text) == shown


def test_one_line_keeps_to_one_line() -> None:
    assert output.printable("a\nb\tc", one_line=True) == "a\\nb\\tc"


def test_emit_writes_one_object_on_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    output.emit({"event": "held", "sql": "select\n'\u202e'", "until": None})
    written = capsys.readouterr().out
    assert written.endswith("\n")
    assert written.count("\n") == 1
    assert written.isascii()
    assert json.loads(written) == {"event": "held", "sql": "select\n'\u202e'", "until": None}


def test_a_table_escapes_its_cells_and_cuts_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    long = "x" * 300
    output.table(["name", "sql"], [("a\x1b[31m", long), (None, "[bold]not markup[/bold]")])
    written = capsys.readouterr().out
    assert "a\\x1b[31m" in written
    assert long in written
    assert "[bold]not markup[/bold]" in written
    assert "\x1b" not in written
