"""Work that continues: the same settings pass, the first difference is named."""

from typing import Any

import pytest

from ecgstore.errors import EcgStoreError
from ecgstore.system.identity import require_same

BEFORE = {"options": {"fs": 500.0, "beats": "unet"}, "sources": ["a", "b"]}


@pytest.mark.parametrize("now", [BEFORE, {**BEFORE, "patients": None}])
def test_the_same_settings_pass(now: dict[str, Any]) -> None:
    require_same("x.h5", BEFORE, now, "delete it")
    require_same("x.h5", now, BEFORE, "delete it")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"sources": ["a"]}, "sources was ['a', 'b'], now it is ['a']"),
        ({"sources": None}, "sources was ['a', 'b'], now it is None"),
        ({"patients": "c"}, "patients was None, now it is 'c'"),
        (
            {"options": {"fs": 250.0, "beats": "none"}},
            "options.fs was 500.0, now it is 250.0",
        ),
        ({"options": {"fs": 500.0}}, "options.beats was 'unet', now it is None"),
        (
            {"options": None},
            "options was {'fs': 500.0, 'beats': 'unet'}, now it is None",
        ),
    ],
)
def test_the_first_difference_is_named(change: dict[str, Any], message: str) -> None:
    with pytest.raises(EcgStoreError) as caught:
        require_same("x.h5", BEFORE, {**BEFORE, **change}, "delete it")
    assert str(caught.value) == f"x.h5: {message}; delete it"


def test_settings_that_are_gone_are_named() -> None:
    with pytest.raises(EcgStoreError, match=r"sources was \['a', 'b'\], now it is Non"):
        require_same("x.h5", BEFORE, {"options": BEFORE["options"]}, "delete it")


def test_advice_may_depend_on_the_setting() -> None:
    with pytest.raises(EcgStoreError, match=r"; mend options\.fs$"):
        require_same("x", BEFORE, {"options": {"fs": 1}}, lambda name: f"mend {name}")


def test_long_values_stay_on_one_line() -> None:
    with pytest.raises(EcgStoreError) as caught:
        require_same("x", {"note": "a\nb"}, {"note": "c" * 10_000}, "shorten it")
    assert len(str(caught.value)) < 500
    assert "\n" not in str(caught.value)
