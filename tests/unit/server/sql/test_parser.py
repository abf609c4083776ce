"""Borders, limits and errors of parsing."""

import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from postgast import native

from hoopd.sql import parser
from hoopd.sql.parser import ParseFailure, parse, same_tree, tokens


def test_statements_are_cut_where_the_grammar_cuts_them() -> None:
    """THREATS 1: a border that another splitter sees elsewhere."""
    assert [s.sql for s in parse("select 'a\\'; delete from t; --'")] == ["select 'a\\'", "delete from t"]
    assert [s.sql for s in parse("/* /* */ ; delete from t */ select 1")] == ["select 1"]
    assert [s.sql for s in parse("select $$;$$; select ';'")] == ["select $$;$$", "select ';'"]


def test_borders_count_bytes_not_characters() -> None:
    assert [s.sql for s in parse("select 'äöü€😀' as ü ; delete from ñ;")] == ["select 'äöü€😀' as ü", "delete from ñ"]


def test_an_empty_text_has_no_statement() -> None:
    assert parse(" ; ;; -- nothing\n") == ()


def test_an_error_says_where_in_characters() -> None:
    with pytest.raises(ParseFailure) as caught:
        parse("select 'ä', bogus from from")
    assert caught.value.error.position == 24
    assert caught.value.error.sqlstate == "42601"


@pytest.mark.parametrize(
    ("text", "state"), [("select '\0'", "22021"), ("select '\udcff'", "22021"), ("x" * 2_000_000, "54000")]
)
def test_what_postgresql_could_not_read_is_refused(text: str, state: str) -> None:
    with pytest.raises(ParseFailure) as caught:
        parse(text)
    assert caught.value.error.sqlstate == state


MUST_PASS = {
    "400 operators": "select " + " || ".join(["a"] * 401),
    "200 unions": " union all ".join(["select a, b from t join u on t.x = u.x"] * 201),
    "100 joins": "select 1 from a" + " join b on a.x = b.x and a.y = b.y" * 101,
    "40 subselects": "select * from " + "(select * from " * 41 + "t" + ") x" * 41,
    "40 sublinks": "select " + "(select " * 41 + "1" + ")" * 41,
    "9,000 terms of OR": "select 1 from t where " + " or ".join(["a = 5"] * 9000),
    "5,000 rows": "insert into t values " + ", ".join(["(1, 'x', now())"] * 5000),
}


@pytest.mark.parametrize("text", MUST_PASS.values(), ids=MUST_PASS.keys())
def test_ordinary_large_statements_are_judged(text: str) -> None:
    assert len(parse(text)) == 1


MUST_FAIL = {
    "operators": "select " + "||".join(["a"] * 100_000),
    "operators in brackets": "select (" + "+".join(["a"] * 60_000) + ")",
    "unions": " union ".join(["select 1"] * 50_000),
    "joins": "select 1 from a" + " join b on true" * 30_000,
    "casts": "select a" + "::int" * 60_000,
    "is null": "select a" + " is null" * 60_000,
    "between": "select x" + " between 1 and 2 is null" * 30_000,
    "brackets": "select " + "(" * 40_000 + "1" + ")" * 40_000,
    "calls": "select " + "f(" * 30_000 + "1" + ")" * 30_000,
    "arrays": "select " + "[" * 50_000,
    "case": "select " + "case when a then " * 30_000 + "1" + " end" * 30_000,
    "not": "select " + "not " * 90_000 + "true",
    "minus": "select " + "- " * 90_000 + "1",
    "collate": "select a" + ' collate "C"' * 40_000,
    "time zones": "select a" + " at time zone 'UTC'" * 30_000,
    "unions with lists": " union ".join(["select a, b, c"] * 20_000),
    "tokens": "select " + ", ".join(["1"] * 120_000),
}


@pytest.mark.parametrize("text", MUST_FAIL.values(), ids=MUST_FAIL.keys())
def test_what_would_overflow_a_stack_is_refused_before_the_grammar_sees_it(
    text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """THREATS 23, INV-9: 54001, and the C parser was not asked."""
    monkeypatch.setattr(native.lib, "pg_query_parse", lambda _: pytest.fail("the grammar was reached"))
    with pytest.raises(ParseFailure) as caught:
        parse(text)
    assert caught.value.error.sqlstate == "54001"


def test_a_text_that_is_too_long_is_not_told_to_nest_less() -> None:
    with pytest.raises(ParseFailure) as caught:
        parse("select 1 in (" + ",".join(["1"] * 60_000) + ")")
    assert (caught.value.error.sqlstate, caught.value.error.hint) == ("54001", "Send it in smaller parts.")
    with pytest.raises(ParseFailure) as caught:
        parse("select " + "(" * 2_000 + "1" + ")" * 2_000)
    assert caught.value.error.hint == "Write it with fewer levels."


def test_multiple_assignment_cannot_multiply_the_tree() -> None:
    """The grammar repeats the right side once for each column: 800 of 800 would be 640,000 nodes."""
    columns = ",".join(["a"] * 800)
    with pytest.raises(ParseFailure) as caught:
        parse(f"update t set ({columns}) /* c */ = (select {columns})")
    assert caught.value.error.sqlstate == "54001"
    assert parse("update t set (a, b, c) = (select 1, 2, 3)")


def test_deep_text_is_judged_from_deep_in_the_stack() -> None:
    text = "select " + "||".join(["a"] * 400)

    def down(levels: int) -> int:
        with parser.deep_recursion():
            return down(levels - 1) if levels else len(parse(text))

    before = sys.getrecursionlimit()
    assert down(300) == 1
    assert sys.getrecursionlimit() == before


def test_of_two_threads_the_first_to_leave_takes_no_depth_from_the_other() -> None:
    before = sys.getrecursionlimit()
    inside, left = threading.Event(), threading.Event()

    def first() -> None:
        with parser.deep_recursion():
            assert inside.wait(60)
        left.set()

    def second() -> int:
        with parser.deep_recursion():
            inside.set()
            assert left.wait(60)
            return down(5000)

    def down(levels: int) -> int:
        return down(levels - 1) if levels else 0

    try:
        parser.allow_deep_recursion()
        with ThreadPoolExecutor(2) as pool:
            other = pool.submit(first)
            assert pool.submit(second).result() == 0
            other.result()
    finally:
        sys.setrecursionlimit(before)


def test_the_deepest_texts_fit_the_stack_of_a_thread() -> None:
    """INV-9: where the system gives threads less than a process (2 MiB with ``ulimit -s unlimited``, of glibc)."""
    script = """
import sys, threading
from hoopd.sql import parser
def work():
    parser.allow_deep_recursion()
    for text in DEEP:
        assert parser.parse(text)
    print("parsed")
threading.stack_size(1 << 20)
thread = threading.Thread(target=work)
thread.start()
thread.join()
"""
    deep = [
        "select " + "||".join(["'a'"] * 1400),
        "select " + "(" * 240 + "1" + ")" * 240,
        "select 1" + " union select 1" * 1200,
        "select * from " + "(select * from " * 140 + "t" + ") a" * 140,
        "select " + "not " * 1400 + "true",
        "select " + "case when true then " * 240 + "1" + " end" * 240,
        "select * from t" + " join t b on true" * 1400,
    ]
    told = subprocess.run([sys.executable, "-c", script.replace("DEEP", repr(deep))], capture_output=True, text=True)
    assert (told.returncode, told.stdout) == (0, "parsed\n"), told.stderr


def test_tokens_are_the_scanners_own() -> None:
    assert [t.name for t in tokens("select 'a' -- ;\n")] == ["SELECT", "SCONST", "SQL_COMMENT"]


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("select a , b", "SELECT a,\n  b", True),
        ("select a - -1", "select a --1", False),
        ("select 'a'", "select 'A'", False),
        ("select", "selec", False),
    ],
)
def test_layouts_are_compared_by_their_trees(one: str, other: str, same: bool) -> None:
    assert same_tree(one, other) is same


@pytest.mark.parametrize("name", ["é" * 40, "a" + "€" * 30, "X" * 80])
def test_names_are_cut_as_the_server_cuts_them(name: str) -> None:
    """THREATS 5: 63 bytes, at a character's border."""
    node = parse(f'select 1 from "{name}"')[0].node
    shown = node["fromClause"][0]["RangeVar"]["relname"]
    assert shown == name.encode()[:63].decode("utf-8", "ignore")


@pytest.mark.parametrize("text", ["+" * 20_000, "-+" * 10_000, "/*" * 10_000, "/**" * 10_000, "*/" * 10_000])
def test_operator_characters_that_the_scanner_would_read_over_and_over_are_refused(text: str) -> None:
    """INV-9: a megabyte of them would keep the scanner, and with it a thread of the gateway, for an hour."""
    with pytest.raises(ParseFailure, match="too many operator characters in a row") as refused:
        tokens("select 1 " + text + " 1")
    assert refused.value.error.sqlstate == "54001"


@pytest.mark.parametrize(
    "text",
    ["-- " + "=" * 9_000, "--" * 9_000, "/*" + "*" * 9_000 + "*/", "'+" + "-" * 9_000 + "+'", "'" + "*" * 9_000 + "'"],
)
def test_long_rulers_in_comments_and_literals_are_read(text: str) -> None:
    assert parse("select 1 " + (", " + text if text[0] == "'" else text))
