"""What is said of a class that a store or a model does not have."""

import pytest

from ecgstore.diagnoses import class_set, code_of, diagnoses
from ecgstore.diagnoses.unknown_class import unknown_class_hint

HYBRID7 = class_set("hybrid7").names


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("LBBB", "the class sets cinc2020 and code15 have it; "),
        ("lbbb", "the class sets cinc2020 and code15 have it; "),
        ("RAD", "the class set cinc2020 has it; "),
        ("rbbb", "did you mean RBBB? "),
        ("RBBBB", "did you mean RBBB? "),
        ("NSSTTAs", "did you mean NSSTTA? "),
        ("atrial fibrillation", "did you mean AF? "),
        ("left bundle branch block", ""),
        ("zebra", ""),
        (7, ""),
    ],
)
def test_hints(name: object, hint: str) -> None:
    assert unknown_class_hint(name, HYBRID7) == hint


def test_no_diagnosis_is_taken_for_another_one() -> None:
    for diagnosis in diagnoses().values():
        hint = unknown_class_hint(diagnosis.abbreviation, HYBRID7)
        if "did you mean" in hint:
            meant = hint.removeprefix("did you mean ").removesuffix("? ")
            assert code_of(meant) == diagnosis.code
