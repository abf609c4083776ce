"""The little screen, held against a real terminal emulator."""

from __future__ import annotations

import pyte
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hoopctl.demo.screen import Screen

PIECES = st.lists(
    st.one_of(
        st.text(alphabet="abc xyz", max_size=6),
        st.sampled_from(
            ["\r", "\n", "\x1b[H", "\x1b[2J", "\x1b[K", "\x1b[1K", "\x1b[J", "\x1b[0m", "\x1b[38;2;1;2;3m"]
        ),
        st.tuples(st.integers(1, 6), st.integers(1, 12)).map(lambda at: f"\x1b[{at[0]};{at[1]}H"),
        st.tuples(st.integers(1, 5), st.sampled_from("ABCDG")).map(lambda move: f"\x1b[{move[0]}{move[1]}"),
    ),
    max_size=12,
)


@given(PIECES)
def test_it_shows_what_a_terminal_shows(pieces: list[str]) -> None:
    drawn = "".join(pieces)
    # Neither wraps nor scrolls here: a full-screen program places everything itself.
    mine, other = Screen(80, 40), pyte.Screen(80, 40)
    mine.feed(drawn)
    pyte.Stream(other).feed(drawn)
    assert mine.lines == [line.rstrip() for line in other.display]


@pytest.mark.parametrize("at", range(1, 12))
def test_a_sequence_that_is_cut_is_put_together(at: int) -> None:
    drawn = "\x1b[2;3Hx\x1b[0m!"
    screen = Screen(10, 3)
    screen.feed(drawn[:at])
    screen.feed(drawn[at:])
    assert screen.lines == ["", "  x!", ""]


def test_modes_titles_and_keyboard_protocols_leave_no_trace() -> None:
    screen = Screen(10, 1)
    screen.feed("\x1b[?1049h\x1b[>1u\x1b]0;title\x07\x1b[?2026$p\x1bP+q\x1b\\ok\x1b(B")
    assert screen.text == "ok"


def test_wide_characters_take_two_cells() -> None:
    screen = Screen(6, 1)
    screen.feed("好a")
    assert screen.text == "好a"
