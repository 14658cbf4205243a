"""One record as a store holds it."""

from dataclasses import dataclass

from ecgstore.arrays import Float32Array, IntArray


@dataclass(frozen=True, slots=True, eq=False)
class StoredRecord:
    """One record as a store holds it.

    Attributes
    ----------
    record_id, source, patient_id : str
        Name, database and patient; `patient_id` is empty where unknown.
    row : int
        Row of the record in every dataset of the store.
    signal : ndarray of shape (12, n_real_samples)
        Filtered voltages in mV, float32, without the padding.
    fs : float
        Sampling rate in Hz.
    labels : dict
        For every class of the store, whether the record is in it.
    features : dict
        Every handcrafted feature; NaN where undefined.
    r_peaks : ndarray of shape (n_beats,)
        Sample indices of the record's beats.
    fiducials : ndarray of shape (12, n_beats, 9)
        Sample indices of the marks of every beat, -1 where absent.
    """

    record_id: str
    source: str
    patient_id: str
    row: int
    signal: Float32Array
    fs: float
    labels: dict[str, bool]
    features: dict[str, float]
    r_peaks: IntArray
    fiducials: IntArray
