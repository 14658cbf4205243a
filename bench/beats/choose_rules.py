r"""Choose the thresholds of the engine's decoding, by records it was not trained on.

Example::

    python -m bench.beats.choose_rules --weights folds --ludb data/ludb \
        --qtdb data/qtdb --cpsc2019 data/cpsc2019

Every record is analysed by the network of its fold, which was not trained on it. The
thresholds of a fold are chosen on the records of all other folds, and written to
``rules.json`` in the folder of weights, where ``bench.beats.delineation`` finds them:
the records that judge were used neither for the weights nor for the thresholds. Those
chosen on the records of all folds are printed; they are the package's own.

What is minimised is the mean of 1 - F1 over the settings: first of R-peaks (within 75
ms), then of P peaks.
"""

import itertools
import json
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np

from bench.beats.counts import CHALLENGE_2019_S, TIGHT_S, count
from bench.beats.detectors import Leads, leads_of
from bench.beats.networks import RULES_FILE, folds_in
from bench.common.command_line import parser_of
from bench.common.tables import print_table
from ecgstore.arrays import FloatArray, IntArray
from ecgstore.beats.unet.engine import (
    RULES,
    Evidence,
    Rules,
    decode,
    network_evidence,
)
from ecgstore.config import Config
from ecgstore.models.delineator.databases.annotated import AnnotatedRecord, Annotation
from ecgstore.models.delineator.databases.cpsc2019 import read_cpsc2019
from ecgstore.models.delineator.databases.ludb import read_ludb
from ecgstore.models.delineator.databases.qtdb import read_qtdb
from ecgstore.record import Mark
from ecgstore.system.atomic_files import replace_file
from ecgstore.system.progress import with_progress

QRS_RULES: Final = [
    {"qrs_high": high, "qrs_low": low, "qrs_mass": mass}
    for high, low, mass in itertools.product(
        (0.4, 0.5, 0.6, 0.7), (0.15, 0.25, 0.35), (2.0, 3.0, 4.0)
    )
]
P_RULES: Final = [
    {
        "p_agreed": agreed,
        "p_certain": certain,
        "p_certain_if_steady": if_steady,
        "p_steady_s": steady,
    }
    for agreed, certain, if_steady, steady in itertools.product(
        (0.3, 0.4, 0.5, 0.6), (0.5, 0.65, 0.75, 0.85), (0.3, 0.5, 0.65), (0.008, 0.016)
    )
    if certain >= if_steady
]
"""The thresholds that are tried."""


class Case(NamedTuple):
    """The network's output for some leads of a record, and their annotation.

    Attributes
    ----------
    setting : str
        Database and number of leads.
    fold : int
        The fold that holds the record out.
    fs : float
        Sampling rate in Hz.
    evidence, voltages : Evidence, ndarray
        See the engine; None if no lead is usable.
    annotations : sequence of Annotation
        One per lead, or one for all.
    """

    setting: str
    fold: int
    fs: float
    evidence: Evidence | None
    voltages: FloatArray
    annotations: Sequence[Annotation]


def main(arguments: Sequence[str] | None = None) -> None:
    """Choose, print and write the thresholds of each fold, and of all records."""
    parser = parser_of("bench.beats.choose_rules", __doc__)
    for name in ("ludb", "qtdb", "cpsc2019"):
        parser.add_argument(
            f"--{name}",
            type=Path,
            required=True,
            metavar="FOLDER",
            help="folder with its records",
        )
    parser.add_argument(
        "--weights", type=Path, required=True, metavar="FOLDER", help="of the networks"
    )
    options = parser.parse_args(arguments)
    records = [
        *(("LUDB", record) for record in read_ludb(options.ludb)),
        *(("QTDB", record) for record in read_qtdb(options.qtdb)),
        *(("CPSC2019", record) for record in read_cpsc2019(options.cpsc2019)),
    ]
    with warnings.catch_warnings(action="ignore"):
        cases = [*_cases(records, options.weights)]
    n_folds = 1 + max(case.fold for case in cases)
    qrs = _Search(cases, Mark.R_PEAK, QRS_RULES, [RULES] * (n_folds + 1))
    p = _Search(
        [case for case in cases if not case.setting.startswith("CPSC2019")],
        Mark.P_PEAK,
        P_RULES,
        qrs.chosen,
    )
    names = [f"fold {fold}" for fold in range(n_folds)] + ["all records"]
    print_table(
        "thresholds",
        Rules._fields,
        {
            name: [f"{value:g}" for value in rules]
            for name, rules in zip(names, p.chosen, strict=True)
        },
    )
    for search, title in ((qrs, "R, within 75 ms"), (p, "P, within 150 ms")):
        print_table(
            f"F1: {title}",
            ("by thresholds of other folds", "by those of all records", "before"),
            search.scores(),
        )
    content: dict[str, Any] = {
        str(fold): rules._asdict() for fold, rules in enumerate(p.chosen[:-1])
    }
    with replace_file(options.weights / RULES_FILE) as file:
        json.dump(content, file, indent=1)


def _cases(
    records: Sequence[tuple[str, AnnotatedRecord]], folder: Path
) -> Iterator[Case]:
    """Yield all leads of each record together, and each lead alone."""
    networks = {
        record_id: (fold, weights)
        for fold, (weights, _, held_out) in enumerate(folds_in(folder))
        for record_id in held_out
    }
    config = Config()
    for database, record in with_progress(records, "records", len(records)):
        fold, weights = networks[record.record_id]
        leads = leads_of(record, config)
        rows = range(len(record.leads))
        subsets = [[*rows], *([row] for row in rows)] if len(rows) > 1 else [[0]]
        for subset in subsets:
            some: Leads = leads.only(subset)
            output = network_evidence(some.filtered, record.fs, weights)
            annotations = record.annotations
            if len(annotations) > 1:
                annotations = tuple(annotations[row] for row in subset)
            yield Case(
                f"{database}, {len(subset)} lead{'s' * (len(subset) > 1)}",
                fold,
                record.fs,
                output and output[0],
                output[1] if output else np.empty((0, 0)),
                annotations,
            )


class _Search:
    """The best of some rules for each fold, and for all records.

    Parameters
    ----------
    cases : list of Case
    mark : Mark
        What is scored.
    candidates : list of dict
        Thresholds to try.
    base : list of Rules
        The other thresholds to return, for each fold and for all records. The
        candidates are scored with those of `RULES`, which no record here has chosen.
    """

    def __init__(
        self,
        cases: Sequence[Case],
        mark: Mark,
        candidates: Sequence[dict[str, float]],
        base: Sequence[Rules],
    ) -> None:
        self._settings = sorted({case.setting for case in cases})
        self._folds = np.array([case.fold for case in cases])
        self._setting = np.array([self._settings.index(c.setting) for c in cases])
        # Annotated, detected and true marks of each case by each candidate.
        self._n = np.zeros((len(candidates), len(cases), 3))
        self._before = np.zeros((len(cases), 3))
        title = f"{mark.name}, {len(candidates)} rules"
        for k, case in enumerate(with_progress(cases, title, len(cases))):
            for i, candidate in enumerate(candidates):
                self._n[i, k] = _counts(case, mark, RULES._replace(**candidate))
            self._before[k] = _counts(case, mark, RULES)
        n_folds = len(base) - 1
        self._best = [self._best_without(fold) for fold in (*range(n_folds), None)]
        self.chosen = [
            rules._replace(**candidates[best])
            for rules, best in zip(base, self._best, strict=True)
        ]

    def _best_without(self, fold: int | None) -> int:
        """Return the number of the best candidate for the records of other folds."""
        kept = self._folds != fold
        return int(np.argmax(self._f1(self._n[:, kept], kept).mean(axis=-1)))

    def _f1(self, counts: FloatArray, kept: Any = slice(None)) -> FloatArray:
        """Return F1 by setting; `counts` has the shape (..., n_cases, 3)."""
        of_setting = self._setting[kept][:, None] == np.arange(len(self._settings))
        annotated, detected, hits = (counts[..., k] @ of_setting for k in range(3))
        return np.asarray(2 * hits / np.maximum(annotated + detected, 1))

    def scores(self) -> dict[str, list[str]]:
        """Return F1 of each setting by three choices of the thresholds."""
        nested = np.array(
            [self._n[self._best[fold], k] for k, fold in enumerate(self._folds)]
        )
        every = self._n[self._best[-1]]
        columns = [self._f1(table) for table in (nested, every, self._before)]
        return {
            setting: [f"{column[k]:.4f}" for column in columns]
            for k, setting in enumerate(self._settings)
        }


def _counts(case: Case, mark: Mark, rules: Rules) -> tuple[int, int, int]:
    """Return the annotated, detected and true marks of one kind."""
    found: IntArray = np.empty((0, 0, len(Mark)), np.int64)
    leads: Sequence[int] = ()
    if case.evidence is not None:
        found = decode(case.evidence, case.voltages, case.fs, rules).fiducials
        leads = case.evidence.leads.tolist()
    rows = {lead: found[k, :, mark].astype(np.float64) for k, lead in enumerate(leads)}
    tight = {**TIGHT_S, **CHALLENGE_2019_S}[mark]
    nothing = np.empty(0)
    n_leads = len(case.annotations)
    if n_leads == 1:
        pairs = [(case.annotations[0], [*rows.values()] or [nothing])]
    else:
        pairs = [
            (annotation, [rows.get(lead, nothing)])
            for lead, annotation in enumerate(case.annotations)
        ]
    total: list[tuple[int, int, int]] = []
    for annotation, detected in pairs:
        counts = count(mark, annotation, detected, case.fs, tight)
        hits = len(counts.errors_ms) if mark == Mark.P_PEAK else counts.n_tight
        total.append((counts.n_annotated, counts.n_detected, hits))
    n_annotated, n_detected, n_hits = map(sum, zip(*total, strict=True))
    return n_annotated, n_detected, n_hits


if __name__ == "__main__":
    main()
