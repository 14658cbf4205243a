"""Find the packages; everything else about the project is in pyproject.toml.

The folders pipes/ and models/ stand at the root but are imported as ecgstore.pipes and
ecgstore.models: "pipes" alone is a standard-library module up to Python 3.12. Builds
use this mapping. Everything that reads the source tree (the interpreter in the root,
mypy, pyright, docs, import-linter) uses the two links ecgstore/pipes -> ../pipes and
ecgstore/models -> ../models. A source archive does not hold the links: hence the search
at the root.
"""

from setuptools import find_packages, setup

_AT_ROOT = ("pipes", "models")

setup(
    packages=[
        *find_packages(
            include=["ecgstore", "ecgstore.*"],
            exclude=[f"ecgstore.{name}*" for name in _AT_ROOT],
        ),
        *(
            f"ecgstore.{package}"
            for name in _AT_ROOT
            for package in find_packages(include=[name, f"{name}.*"])
        ),
    ],
    package_dir={"ecgstore": "ecgstore"}
    | {f"ecgstore.{name}": name for name in _AT_ROOT},
)
