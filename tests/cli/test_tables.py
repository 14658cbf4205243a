"""Estimates and their intervals as text."""

import pytest

from ecgstore.cli.tables import print_table
from ecgstore.scores.texts import estimate_text


@pytest.mark.parametrize(
    ("estimate", "text"),
    [
        ((0.9123, 0.88, 0.94), "0.912 (0.880 to 0.940)"),
        ((1.0, -0.0, -0.0004), "1.000 (0.000 to 0.000)"),
        ((float("nan"),) * 3, "undefined"),
        ((0.5, float("nan"), float("nan")), "0.500 (no interval)"),
    ],
)
def test_an_estimate_is_written_with_its_interval(
    estimate: tuple[float, float, float], text: str
) -> None:
    assert estimate_text(*estimate) == text


def test_a_difference_has_a_sign() -> None:
    assert estimate_text(0.1, -0.2, 0.3, "+") == "+0.100 (-0.200 to +0.300)"
    assert estimate_text(-1e-5, -1e-5, 0.0, "+") == "+0.000 (+0.000 to +0.000)"


TABLE = (
    ["fold", "records", "sinus rhythm", "AF"],
    [["all", 12, 7, 1], ["none", 3, 2, 0]],
)


def test_a_table_is_whole_where_there_is_room(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = (
        "  fold  records  sinus rhythm  AF\n"
        "  all        12             7   1\n"
        "  none        3             2   0\n"
    )
    for columns in ("", "33", "200"):
        monkeypatch.setenv("COLUMNS", columns)
        print_table(*TABLE)
        assert capsys.readouterr().out == whole


def test_a_narrow_terminal_gets_the_columns_in_parts(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "32")
    print_table(*TABLE)
    assert capsys.readouterr().out == (
        "  fold  records  sinus rhythm\n"
        "  all        12             7\n"
        "  none        3             2\n"
        "\n"
        "  fold  AF\n"
        "  all    1\n"
        "  none   0\n"
    )
    monkeypatch.setenv("COLUMNS", "5")  # at least one column beside the first
    print_table(*TABLE)
    assert capsys.readouterr().out.count("fold") == 3


def test_a_list_is_not_divided(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "5")
    print_table(*TABLE, in_parts=False)
    assert len(capsys.readouterr().out.splitlines()) == 3


def test_a_table_of_one_column_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    print_table(["name"], [["a"]])
    assert capsys.readouterr().out == "  name\n  a\n"
