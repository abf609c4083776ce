"""What stderr carries: sentences, escaped, and never data on stdout."""

import pytest

from hoopctl import narration


def test_all_of_it_goes_to_stderr_escaped(capsys: pytest.CaptureFixture[str]) -> None:
    narration.say("a\x1b]0;title\x07")
    narration.aside("b")
    narration.headline("c")
    narration.warn("d\u202e")
    narration.complain("e", "f")
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err == "a\\x1b]0;title\\x07\nb\nc\nwarning: d\\u202e\nerror: e\nhint: f\n"
