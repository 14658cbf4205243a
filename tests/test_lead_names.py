"""Names of leads as devices write them, and mappings of one's own."""

import itertools
from pathlib import Path

import pytest

from ecgstore.errors import ConfigError
from ecgstore.lead_names import (
    STANDARD_LEADS,
    LeadMeaning,
    LeadNames,
    meaning_of,
    shown_lead,
    shown_unit,
)

FILE = Path(__file__).parent / "data" / "leads" / "lead-names.toml"
PREFIXES = (
    "",
    "ECG ",
    "ecg_",
    "Lead ",
    "LEAD_",
    "ECG lead ",
    "EKG: ",
    "MDC_ECG_LEAD_",
)


@pytest.mark.parametrize("lead", STANDARD_LEADS)
def test_every_spelling_of_a_lead_means_it(lead: str) -> None:
    names = [lead, lead.lower(), lead.upper()]
    if lead in ("I", "II", "III"):
        names += [f"D{lead}", f"D{len(lead)}", f"d{lead.lower()}"]
    if lead in ("X", "Y", "Z"):
        names.append(f"v{lead.lower()}")
    for prefix, name, blanks in itertools.product(PREFIXES, names, ("", " ", "\t ")):
        assert meaning_of(f"{blanks}{prefix}{name}{blanks}") == LeadMeaning(lead)
        if not name.lower().startswith("d"):
            inverted = meaning_of(f"{prefix}-{name}{blanks}")
            assert inverted == LeadMeaning(lead, is_inverted=True)


@pytest.mark.parametrize(
    "name",
    ["", " ", "-", "ECG", "ECG1", "ECG 2", "MLII", "CM5", "V7", "V3R", "IV", "D4",
     "mod.V1", "Leads", "aV", "--aVR", "1", "VV1"],
)  # fmt: skip
def test_other_names_mean_no_lead(name: str) -> None:
    assert meaning_of(name) == LeadMeaning("")


def test_a_mapping_comes_before_the_known_spellings() -> None:
    names = LeadNames.read(FILE)
    assert names.meaning(" ecg 1") == LeadMeaning("II")
    assert names.meaning("-AVR") == LeadMeaning("aVR", is_inverted=True)
    assert names.meaning("V1") == LeadMeaning("V1")
    assert names.meaning("rhythm") == LeadMeaning("")
    assert [names.has(name) for name in ("RHYTHM", "V1", "-aVR")] == [True, False, True]
    assert LeadNames.of({"V1": "V2"}).meaning("v1") == LeadMeaning("V2")
    assert LeadNames.of(names.to_json()) == names
    assert str(names) == "-avr = -aVR, ecg 1 = II, ecg 2 = V5, rhythm = "


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('"ECG 1" = "V9"', "the lead name 'ECG 1' means 'V9'; expected one of I, II"),
        ('"ECG 1" = "-"', "the lead name 'ECG 1' means '-'; expected one of"),
        ('"ECG 1" = 2', "the lead name 'ECG 1' means 2; expected one of"),
        ('"A" = "I"\n"a " = "II"', "the lead name 'a' is given twice"),
        ('ECG 1 = "II"', "not a readable TOML file of lead names"),
    ],
)
def test_mistakes_in_a_file_are_named(tmp_path: Path, text: str, message: str) -> None:
    file = tmp_path / "names.toml"
    file.write_text(text)
    with pytest.raises(ConfigError) as caught:
        LeadNames.read(file)
    assert str(caught.value).startswith(f"{file}: {message}")
    with pytest.raises(ConfigError, match="expected lines such as"):
        LeadNames.read(tmp_path / "absent.toml")


@pytest.mark.parametrize(
    "name",
    ["aVR", "v6", "MLII", "MCL1", "V4R", "CM5", "CC5", "ML5", "V2-V3", "vx", "D3", "Z",
     "ECG1", "EKG lead 2", "MDC_ECG_LEAD_V1", "ch 3", "Resp", "ABP [mmHg]", "PLETH",
     "SpO2 [%]", "mod.V1"],
)  # fmt: skip
def test_usual_names_of_channels_are_shown(name: str) -> None:
    assert shown_lead(name) == name


@pytest.mark.parametrize(
    "name",
    ["Jane Doe", "Kim Li", "MARY", "Li", "ECG Jane", "01.02.60", "12345", "V1 Doe",
     "Jos\u00e9", "\u674e\u660e"],
)  # fmt: skip
def test_what_may_be_a_person_is_not_shown(name: str) -> None:
    assert shown_lead(name) == f"a name of {len(name)} characters"
    assert shown_unit(name) == f"a unit of {len(name)} characters"


@pytest.mark.parametrize("unit", ["mmHg", "%", "\u00b5V", "NU", "bpm"])
def test_usual_units_are_shown(unit: str) -> None:
    assert shown_unit(unit) == repr(unit)
