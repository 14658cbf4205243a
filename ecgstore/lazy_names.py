"""Public names of a package that are imported when they are first used."""

from collections.abc import Callable, Collection, Mapping
from importlib import import_module
from typing import Any


def lazy_names(
    package: str, homes: Mapping[str, str], extra: Collection[str] = ()
) -> tuple[Callable[[str], Any], Callable[[], list[str]]]:
    """Return the ``__getattr__`` and ``__dir__`` of a package.

    Parameters
    ----------
    package : str
        Its name.
    homes : Mapping
        By public name, the module of the package that defines it.
    extra : collection of str
        Libraries that ``pip install "ecgstore[torch]"`` brings; the lack of one is
        explained.

    Raises
    ------
    ImportError
        From ``__getattr__``, if one of them is not installed.
    """

    def get(name: str) -> Any:
        if name not in homes:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        try:
            home = import_module(f"{package}.{homes[name]}")
        except ModuleNotFoundError as error:
            if error.name not in extra:
                raise
            raise ImportError(
                f"{package} needs {error.name}, which is not installed; "
                'pip install "ecgstore[torch]"'
            ) from error
        return getattr(home, name)

    return get, lambda: sorted(homes)
