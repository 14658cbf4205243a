"""Fixtures shared by the tests of builds."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import ecgstore
from ecgstore.config import Config

FAST = Config(beats="none")

Build = Callable[..., Path]


class Stop(BaseException):
    """Stops a build as suddenly as a kill: no handler of exceptions catches it."""


@pytest.fixture
def build() -> Build:
    """Return a function that builds a store in this process and returns its path.

    Without beats, unless a configuration is given.
    """

    def run(source: Path, out: Path, config: Config = FAST, **options: Any) -> Path:
        options = {"n_workers": 1, "quiet": True, **options}
        ecgstore.build_store([source], out, config, **options)
        return out

    return run


@pytest.fixture
def stopped_build(build: Build, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Return a function that begins a build and stops it in a call of a function.

    Its arguments are the module or class of that function, its name, those of `build`,
    and the number of calls that still succeed.
    """

    def run(
        owner: Any,
        name: str,
        source: Path,
        out: Path,
        config: Config = FAST,
        *,
        calls: int = 0,
        **options: Any,
    ) -> None:
        original = getattr(owner, name)
        left = [calls]

        def stopping(*arguments: Any, **named: Any) -> Any:
            if not left[0]:
                raise Stop
            left[0] -= 1
            return original(*arguments, **named)

        with monkeypatch.context() as patch:
            patch.setattr(owner, name, stopping)
            with pytest.raises(Stop):
                build(source, out, config, **options)

    return run
