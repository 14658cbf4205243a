"""Tables from which only patients are read."""

from pathlib import Path

import pandas as pd
import pytest

from ecgstore.errors import ConfigError, EcgStoreError
from ecgstore.label_tables import LabelTable, read_patients


def patients_of(table: LabelTable) -> dict[str, str]:
    """Return the patient by every name that the table has."""
    return {
        name: table.rows[number].patient_id
        for numbers in table.numbers.values()
        for name, number in numbers.items()
    }


class TestPatients:
    def read(self, folder: Path, text: str) -> dict[str, str]:
        path = folder / "patients.csv"
        path.write_text(text, encoding="utf-8")
        return patients_of(read_patients(path))

    def test_ptbxl_database_works_as_it_is(self, shared_data: Path) -> None:
        path = shared_data / "challenge-2020" / "ptbxl_database.csv"
        patients = patients_of(read_patients(path))
        table = pd.read_csv(path)
        assert len(patients) == 3 * len(table) == 1500
        assert patients["HR00001"] == "15709"
        for ecg_id, patient in zip(table["ecg_id"], table["patient_id"], strict=True):
            assert patients[f"HR{ecg_id:05d}"] == str(int(patient))
        # PTB-XL's own names: records100/00000/00001_lr, records500/00000/00001_hr
        for column in ("filename_lr", "filename_hr"):
            for name, patient in zip(table[column], table["patient_id"], strict=True):
                assert patients[name.rpartition("/")[2]] == str(int(patient))

    def test_record_ids_are_taken_as_they_are(self, tmp_path: Path) -> None:
        text = "\ufeffpatient_id,age,record_id\np-1,3,A0001\n7.0,3,00012\np-1,,A0001\n"
        assert self.read(tmp_path, text) == {"A0001": "p-1", "00012": "7"}

    @pytest.mark.parametrize("name", ["HR00012", "00012_hr", "00012_lr"])
    def test_one_name_of_a_ptb_xl_record_stands_for_all(
        self, tmp_path: Path, name: str
    ) -> None:
        assert self.read(tmp_path, f"record_id,patient_id\n{name},7\n") == {
            "HR00012": "7",
            "00012_hr": "7",
            "00012_lr": "7",
        }

    def test_ecg_ids_may_have_a_point(self, tmp_path: Path) -> None:
        assert self.read(tmp_path, "ecg_id,patient_id\n12.0,3.50\n") == {
            "HR00012": "3.50",
            "00012_hr": "3.50",
            "00012_lr": "3.50",
            "12": "3.50",
        }

    def test_patients_of_mimic_iv_ecg_are_its_subjects(self, tmp_path: Path) -> None:
        text = "subject_id,study_id,path\n10000032,40689238,files/p1/s4/40689238\n"
        assert self.read(tmp_path, text) == {
            "40689238": "10000032",
            "files/p1/s4/40689238": "10000032",
        }

    @pytest.mark.parametrize(
        ("text", "message"),
        [
            (
                "name,patient\na,b\n",
                "no column record_id, record, ecg_id, .* path; its columns are",
            ),
            ("record_id,patient\na,b\n", "no column patient_id"),
            ("record_id,patient_id\n", "no rows"),
            ("record_id,patient_id\na,\n", "line 2 has an empty record or patient"),
            ("record_id,patient_id\n ,b\n", "line 2 has an empty record or patient"),
            ("record_id,patient_id\na\n", "line 2 has 1 values; expected 2"),
            (
                "record_id,patient_id\na,1\na,2\n",
                "line 3 gives record a to another patient than an earlier line",
            ),
            ("ecg_id,patient_id\n,1\n", "line 2 has an empty record"),
            ("ecg_id,patient_id\n1,5\n1.0,6\n", "line 3 gives record HR00001 to"),
        ],
    )
    def test_error_says_what_is_wrong(
        self, tmp_path: Path, text: str, message: str
    ) -> None:
        with pytest.raises(ConfigError, match=message):
            self.read(tmp_path, text)

    def test_error_for_a_missing_file_says_where_to_get_it(
        self, tmp_path: Path
    ) -> None:
        message = r"no\.csv: no such file; .* PTB-XL's own download .* works"
        with pytest.raises(EcgStoreError, match=message):
            read_patients(tmp_path / "no.csv")
