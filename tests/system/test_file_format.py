"""Files of other formats and versions are refused."""

import pytest

from ecgstore.errors import SchemaError
from ecgstore.system.file_format import FileFormat

FORMAT = FileFormat("ecgstore model", 2, "`ecgstore train`")


def test_the_same_format_and_version_pass() -> None:
    FORMAT.check("a.st", "ecgstore model", 2)


def test_older_versions_that_are_read_pass() -> None:
    several = FileFormat("ecgstore", 3, "`ecgstore build`", also_read=(1, 2))
    for version in (1, 2, 3):
        several.check("a.h5", "ecgstore", version)
    wrong: list[object] = [0, 4, True, 2.0]
    for other in wrong:
        with pytest.raises(SchemaError, match="reads version 1 and 2 and 3: make"):
            several.check("a.h5", "ecgstore", other)


@pytest.mark.parametrize(
    ("name", "version", "message"),
    [
        (
            "ecgstore",
            2,
            "a.st: is a store; commands take it as STORE, and ecgstore.open(...) "
            "opens it in Python; expected a file made by `ecgstore train`",
        ),
        (
            None,
            None,
            "a.st: not an ecgstore model file, its format is None; expected a file "
            "made by `ecgstore train`",
        ),
        (
            "ecgstore model",
            1,
            "a.st: ecgstore model file of format version 1; this ecgstore reads "
            "version 2: make the file again with `ecgstore train`, or use the release "
            "that made it",
        ),
    ],
)
def test_other_formats_and_versions_are_refused(
    name: object, version: object, message: str
) -> None:
    with pytest.raises(SchemaError) as caught:
        FORMAT.check("a.st", name, version)
    assert str(caught.value) == message
