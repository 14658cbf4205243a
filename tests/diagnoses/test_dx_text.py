"""Diagnoses in any spelling."""

import pytest
from hypothesis import given, strategies as st

from ecgstore.diagnoses import code_of, diagnoses, read_dx
from ecgstore.diagnoses.snomed import code_by_words, words_of

NSR, AF, RBBB, IAVB = "426783006", "164889003", "59118001", "270492004"
BOTH = (NSR, AF)

CPSC_2018 = {
    "Normal": "426783006",
    "AF": "164889003",
    "I-AVB": "270492004",
    "LBBB": "164909002",
    "RBBB": "59118001",
    "PAC": "284470004",
    "PVC": "427172004",
    "STD": "429622005",
    "STE": "164931005",
}


@pytest.mark.parametrize(
    "text",
    [
        f"{NSR},{AF}",
        f" {NSR}, {AF},",
        f"{NSR};{AF}",
        f"{NSR}|{AF}",
        f"{NSR}/{AF}",
        f"{NSR}\t{AF}",
        f"{NSR} {AF} {NSR}",
        f"{NSR}\n{AF}",
        f"[{NSR}, {AF}]",
        f"['{NSR}', \"{AF}\"]",
        f"{{{NSR}}} ({AF})",
        f"{NSR}.0,{AF}.00",
        f"0{NSR},{AF}",
        f"SNOMED:{NSR},SNOMED CT: {AF}",
        f"snomed-ct {NSR}; sct={AF}",
        f"{NSR} (sinus rhythm), {AF}",
        f"{NSR} |Sinus rhythm|, AF: {AF}",
        f"{NSR} - sinus rhythm\uff0c{AF}\u3001AF",
        "NSR,AF",
        "nsr af",
        "NSR/AF",
        "sinus rhythm and atrial fibrillation",
        "Sinus rhythm + Atrial Fibrillation.",
        f"normal; {AF}",
    ],
)
def test_two_diagnoses_are_read_in_any_spelling(text: str) -> None:
    assert read_dx(text) == (BOTH, ())


@pytest.mark.parametrize(
    ("text", "codes"),
    [
        ("st depression", ("429622005",)),
        ("ST-segment depression", ("429622005",)),
        ("First degree AV block / 1st degree atrioventricular block", (IAVB,)),
        ("right bundle branch block", (RBBB,)),
        ("complete right bundle branch block", ("713427006",)),
        ("incomplete right bundle branch block right axis deviation", None),
        ("atrial fibrillation and flutter", ("195080001",)),
        ("Mobitz type I (Wenckebach) atrioventricular block", ("54016002",)),
        ("Wolff-Parkinson-White pattern", ("74390002",)),
        ("premature ventricular contraction", ("427172004",)),
        ("MI, MIs", ("164865005", "164861001")),  # not a plural
    ],
)
def test_the_longest_names_are_read(text: str, codes: tuple[str, ...] | None) -> None:
    assert read_dx(text) == (codes or ("713426002", "47665007"), ())


def test_the_words_of_cpsc_2018_are_read() -> None:
    for word, code in CPSC_2018.items():
        assert read_dx(word) == ((code,), ())
    assert read_dx("/".join(CPSC_2018)) == (tuple(CPSC_2018.values()), ())


def test_every_name_of_the_table_is_its_code_only() -> None:
    for row in diagnoses().values():
        for text in (row.name, row.abbreviation, row.name.upper()):
            assert read_dx(text) == ((row.code,), ())
            assert read_dx(f"{text};AF") == (tuple(dict.fromkeys((row.code, AF))), ())
            assert code_of(text) == row.code
    words = {
        (" ".join(words_of(text)), row.code)
        for row in diagnoses().values()
        for text in (row.name, row.abbreviation)
    }
    assert len(words) == len({text for text, _ in words})
    assert max(len(text.split()) for text in code_by_words()) <= 8


@pytest.mark.parametrize(
    "text", ["", " ", ",;", "[]", "Unknown", "Unknows", "n/a", "NaN", "None", "'NULL'"]
)
def test_no_diagnosis_is_none_and_no_unknown_word(text: str) -> None:
    assert read_dx(text) == ((), ())


@pytest.mark.parametrize(
    ("text", "codes", "unknown"),
    [
        ("foo", (), ("foo",)),
        ("foo,AF,bar foo,foo", (AF,), ("foo", "bar foo")),
        ("AF?", (), ("AF?",)),
        ("no AF", (), ("no AF",)),
        ("AF: 0", (), ("AF: 0",)),
        ("PR > 200", (), ("PR > 200",)),
        ("left/right bundle branch block", (), ("left/right bundle branch block",)),
        (f"{AF} (confirmed)", (AF,), ("confirmed",)),
        (f"SNOMED:{AF} or {NSR}", (AF, NSR), ("or",)),
        ("5,abc,\u00b2", ("5",), ("abc", "\u00b2")),
        ("0,1", ("1",), ("0",)),
        ("9" * 19, (), ("9" * 19,)),
        ("SNOMED", (), ("SNOMED",)),
        ("['foo']\x1b[31m\u202e", (), ("foo']\\x1b[31m\\u202e",)),
        ("x" * 90, (), ("x" * 77 + "...",)),
    ],
)
def test_what_is_not_understood_is_returned(
    text: str, codes: tuple[str, ...], unknown: tuple[str, ...]
) -> None:
    assert read_dx(text) == (codes, unknown)


def test_long_texts_are_bounded() -> None:
    many = ",".join(f"word{number}" for number in range(600))
    codes, unknown = read_dx(f"{AF},{many}")
    assert codes == (AF,)
    assert unknown[:2] == ("word0", "word1")
    assert len(unknown) == 18
    assert unknown[16].endswith(" more texts]")
    n_unread = int(unknown[17].removeprefix("[").partition(" ")[0])
    assert n_unread > 0
    codes, unknown = read_dx(f"{AF}," * 100_000)
    assert codes == (AF,)  # none is cut in two
    assert unknown == (f"[{1_000_000 - 409 * 10} more characters, not read]",)
    for text in ("x" * 10**6, "x y " * 10**5, "1." * 10**5, f"{AF} x" * 10**5):
        codes, unknown = read_dx(text)
        assert set(codes) <= {AF}
        assert sum(map(len, unknown)) < 2000


@given(st.text(st.sampled_from("AF19,;|/ .0x()'\"\n\t:<?\x00\u00e9"), max_size=60))
def test_any_text_is_read(text: str) -> None:
    codes, unknown = read_dx(text)
    assert all(code.isdigit() and code.isascii() and code[0] != "0" for code in codes)
    assert len(set(codes)) == len(codes)
    assert all(part.isprintable() and part for part in unknown)
    if any(map(str.isalnum, text)) and not codes:
        assert unknown
