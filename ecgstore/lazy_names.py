"""Public names of a package that are imported when they are first used."""

from __future__ import annotations

import lazy_loader

from ecgstore.similar_names import did_you_mean

TYPE_CHECKING = False  # as in typing, which takes half the time of `import ecgstore`
if TYPE_CHECKING:
    from collections.abc import Callable, Collection
    from typing import Any


def lazy_names(
    package: str, file: str, extra: Collection[str] = ()
) -> tuple[Callable[[str], Any], Callable[[], list[str]], list[str]]:
    """Return the ``__getattr__``, ``__dir__`` and ``__all__`` of a package.

    The names and the modules that define them stand in the stub ``__init__.pyi`` beside
    the package's ``__init__.py``, once for Python and for type checkers.

    Parameters
    ----------
    package, file : str
        The package's ``__name__`` and ``__file__``.
    extra : collection of str
        Libraries of ``pip install "ecgstore[torch]"`` that the package needs. If one is
        missing, the error says so.

    Raises
    ------
    ImportError
        From ``__getattr__``, if one of `extra` is not installed.
    AttributeError
        From ``__getattr__``, if there is no such name.
    """
    load, list_names, names = lazy_loader.attach_stub(package, file)

    def get(name: str) -> Any:
        if name not in names:
            hint = "" if name.startswith("_") else did_you_mean(name, names)
            raise AttributeError(f"{package} has no {name!r}; {hint}".rstrip("; "))
        try:
            return load(name)
        except ModuleNotFoundError as error:
            if error.name not in extra:
                raise
            raise ImportError(
                f"{package} needs {error.name}, which is not installed; "
                'pip install "ecgstore[torch]"'
            ) from error

    return get, list_names, names
