"""One record as a store holds it."""

from dataclasses import dataclass

from ecgstore.arrays import Float32Array, IntArray
from ecgstore.diagnoses import diagnoses
from ecgstore.record import LEADS, person_text, without_leads
from ecgstore.storage import notebook


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class StoredRecord:
    """One record as a store holds it.

    Attributes
    ----------
    record_id, source, patient_id : str
        Name, database and patient; `patient_id` is empty where unknown.
    row : int
        Row of the record in every dataset of the store.
    fold : int
        Fold of the record, 0 to 9.
    age : float
        Age in years, NaN where unknown.
    sex : str
        ``"male"``, ``"female"`` or ``"unknown"``.
    dx : tuple of str
        All codes of the record; digits are SNOMED CT.
    leads : tuple of str
        Names of the leads of the store, in the order of `signal` and `fiducials`.
    derived_leads, missing_leads : tuple of str
        Leads that were computed from I and II, and leads that the record lacks, which
        are zero in `signal`.
    signal : ndarray of shape (n_leads, n_real_samples)
        Filtered voltages in mV, float32, without the padding.
    fs : float
        Sampling rate in Hz.
    labels : dict
        For every class of the store, whether the record is in it.
    features : dict
        Every handcrafted feature; NaN where undefined.
    r_peaks : ndarray of shape (n_beats,)
        Sample indices of the record's beats.
    fiducials : ndarray of shape (n_leads, n_beats, 9)
        Sample indices of the marks of every beat, -1 where absent.
    targets : dict
        Every target of the store; NaN where missing.
    """

    record_id: str
    source: str
    patient_id: str
    row: int
    fold: int
    age: float
    sex: str
    dx: tuple[str, ...]
    leads: tuple[str, ...]
    derived_leads: tuple[str, ...]
    missing_leads: tuple[str, ...]
    signal: Float32Array
    fs: float
    labels: dict[str, bool]
    features: dict[str, float]
    r_peaks: IntArray
    fiducials: IntArray
    targets: dict[str, float]

    @property
    def classes(self) -> list[str]:
        """Names of the classes that the record is in."""
        return [name for name, is_in in self.labels.items() if is_in]

    def __repr__(self) -> str:
        parts = (
            f"{self.signal.shape[1] / self.fs:g} s at {self.fs:g} Hz",
            person_text(self.age, self.sex),
            "+".join(self.classes) or "no class",
            f"{len(self.r_peaks)} beats",
        )
        return (
            f"<ecgstore.StoredRecord {self.record_id} of {self.source}: "
            f"{', '.join(part for part in parts if part)}>"
        )

    def _repr_html_(self) -> str:
        """Return a small picture and a table, for notebooks."""
        known = diagnoses()
        names = [known[code].name if code in known else code for code in self.dx]
        rows = {
            "source": self.source,
            "patient": self.patient_id or "unknown",
            "person": person_text(self.age, self.sex) or "unknown",
            "classes": ", ".join(self.classes) or "none",
            "diagnoses": ", ".join(names) or "none",
            "signal": f"{self.signal.shape[1] / self.fs:g} s at {self.fs:g} Hz",
            "beats": len(self.r_peaks),
            "row, fold": f"{self.row}, {self.fold}",
        }
        if self.leads != LEADS:
            rows["leads"] = ", ".join(self.leads)
        if self.derived_leads:
            rows["derived leads"] = ", ".join(self.derived_leads)
        if self.missing_leads:
            rows["missing leads"] = ", ".join(self.missing_leads)
        signal = without_leads(self.signal, self.missing_leads, self.leads)
        return notebook.picture(
            signal, self.fs, self.leads, self.derived_leads
        ) + notebook.table(rows, self.record_id)
