r"""Choose the thresholds of the engine's decoding, by records it was not trained on.

Example::

    python -m bench.beats.choose_rules --weights folds --ludb data/ludb \
        --qtdb data/qtdb --cpsc2019 data/cpsc2019

Every record is analysed by the network of its fold, which was not trained on it. The
thresholds of a fold are chosen on the records of all other folds, and written to
``rules.json`` in the folder of weights, where ``bench.beats.delineation`` finds them:
the records that judge were used neither for the weights nor for the thresholds. Those
chosen on the records of all folds are printed; they are the package's own.

* QRS complexes: the thresholds with the largest mean, over the settings, of the F1 of
  R-peaks within 75 ms;
* P waves: logistic regression on the beats of LUDB and of the QT Database, with all
  leads, with fewer, and with each lead alone.
"""

import itertools
import json
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np
from sklearn.linear_model import LogisticRegression

from bench.beats.counts import CHALLENGE_2019_S, TIGHT_S, count, inside
from bench.beats.detectors import leads_of
from bench.beats.networks import RULES_FILE, folds_in
from bench.beats.settings import FEWER_LEADS
from bench.common.command_line import parser_of
from bench.common.tables import print_table
from ecgstore.arrays import BoolArray, FloatArray, IntArray
from ecgstore.beats.unet._presence_kernels import N_INPUTS
from ecgstore.beats.unet.decoding import RULES, Rules, decode, p_wave_decisions
from ecgstore.beats.unet.evidence import Evidence, evidence_of
from ecgstore.beats.unet.inputs import network_input
from ecgstore.config import Config
from ecgstore.models.delineator.databases.annotated import AnnotatedRecord, Annotation
from ecgstore.models.delineator.databases.cpsc2019 import read_cpsc2019
from ecgstore.models.delineator.databases.ludb import read_ludb
from ecgstore.models.delineator.databases.qtdb import read_qtdb
from ecgstore.record import LEADS, Mark
from ecgstore.system.atomic_files import replace_file
from ecgstore.system.progress import with_progress

QRS_RULES: Final = [
    {"qrs_high": high, "qrs_low": low, "qrs_mass": mass}
    for high, low, mass in itertools.product(
        (0.4, 0.5, 0.6, 0.7), (0.15, 0.25, 0.35), (2.0, 3.0, 4.0)
    )
]
"""The thresholds of QRS complexes that are tried."""

SAME_BEAT_S: Final = 0.15
EARLIEST_P_S: Final = 0.45
"""A detected R-peak is that of an annotated beat if it is within the first distance;
its P wave lies at most the second one before R."""


class Case(NamedTuple):
    """The network's output for some leads of a record, and their annotation.

    Attributes
    ----------
    setting : str
        Database and number of leads.
    weight : float
        Weight of a beat.
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
    weight: float
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
    chosen = choose(cases)
    *of_folds, of_all = chosen
    for name, rules in [*((f"fold {k}", r) for k, r in enumerate(of_folds))]:
        print(f"{name}: {_text(rules)}")
    print(f"all records: {_text(of_all)}\n")
    with_p = [case for case in cases if not case.setting.startswith("CPSC2019")]
    for mark, judged in ((Mark.R_PEAK, cases), (Mark.P_PEAK, with_p)):
        _print_scores(mark, judged, chosen)
    content = {str(fold): rules._asdict() for fold, rules in enumerate(of_folds)}
    with replace_file(options.weights / RULES_FILE) as file:
        json.dump(content, file, indent=1)


def choose(cases: Sequence[Case]) -> list[Rules]:
    """Return the rules for each fold, chosen on the others, and those for all."""
    n_folds = 1 + max(case.fold for case in cases)
    excluded = [*range(n_folds), -1]
    of_qrs = _choose_qrs(cases, excluded)
    of_p = _choose_p([c for c in cases if not c.setting.startswith("CPSC")], excluded)
    return [
        RULES._replace(**qrs, p_weights=p) for qrs, p in zip(of_qrs, of_p, strict=True)
    ]


def _choose_qrs(
    cases: Sequence[Case], excluded: Sequence[int]
) -> list[dict[str, float]]:
    """Return the best thresholds without the records of each excluded fold."""
    counts = np.zeros((len(QRS_RULES), len(cases), 3))
    title = f"{len(QRS_RULES)} thresholds of QRS complexes"
    for k, case in enumerate(with_progress(cases, title, len(cases))):
        for i, candidate in enumerate(QRS_RULES):
            rules = Rules(**candidate, p_weights=RULES.p_weights)
            counts[i, k] = _counts(case, Mark.R_PEAK, rules)
    folds = np.array([case.fold for case in cases])
    best = []
    for fold in excluded:
        kept = np.flatnonzero(folds != fold).tolist()
        some = [cases[k] for k in kept]
        scores = [np.mean([*_f1(some, c[kept]).values()]) for c in counts]
        best.append(QRS_RULES[int(np.argmax(scores))])
    return best


def _choose_p(
    cases: Sequence[Case], excluded: Sequence[int]
) -> list[tuple[float, ...]]:
    """Return the weights of the P rule without the records of each excluded fold."""
    rows = [(case, *_beats_with_p(case)) for case in cases]
    inputs = np.concatenate([x for _, x, _ in rows])
    has_p = np.concatenate([y for _, _, y in rows])
    n = [len(y) for _, _, y in rows]
    folds = np.repeat([case.fold for case in cases], n)
    weight = np.repeat([case.weight for case in cases], n)
    chosen = []
    for fold in excluded:
        kept = folds != fold
        if len({*has_p[kept].tolist()}) < 2:
            raise SystemExit(
                "expected records with and without P waves in all folds but one"
            )
        x = inputs[kept]
        centre, scale = x.mean(axis=0), x.std(axis=0)
        model = LogisticRegression(max_iter=1000)
        model.fit((x - centre) / scale, has_p[kept], sample_weight=weight[kept])
        slopes = model.coef_[0] / scale
        bias = model.intercept_[0] - slopes @ centre
        chosen.append(tuple(round(float(w), 3) for w in (bias, *slopes)))
    return chosen


def _beats_with_p(case: Case) -> tuple[FloatArray, BoolArray]:
    """Return the inputs of the P rule for the beats that are annotated, and answers."""
    inputs: FloatArray = np.empty((0, N_INPUTS))
    r_peaks: FloatArray = np.empty(0)
    if case.evidence is not None:
        r_peaks, inputs = p_wave_decisions(case.evidence, case.fs)
    votes = [_p_waves(marks, r_peaks, case.fs) for marks in case.annotations]
    known = np.isfinite(votes).any(axis=0)
    with np.errstate(invalid="ignore"), warnings.catch_warnings(action="ignore"):
        has_p = np.nanmean(votes, axis=0) >= 0.5  # of most leads
    return inputs[known], has_p[known]


def _p_waves(marks: Annotation, r_peaks: FloatArray, fs: float) -> FloatArray:
    """Return 1 for beats with an annotated P wave, 0 without, NaN where unknown."""
    of = marks.marks()
    result = np.full(len(r_peaks), np.nan)
    for k, r_peak in enumerate(r_peaks):
        distance = np.abs(of[Mark.R_PEAK] - r_peak)
        if not len(distance) or distance.min() > SAME_BEAT_S * fs:
            continue
        annotated = of[Mark.R_PEAK][distance.argmin()]
        before = of[Mark.R_PEAK][of[Mark.R_PEAK] < annotated]
        first = max([annotated - EARLIEST_P_S * fs, *before[-1:]])
        peaks = of[Mark.P_PEAK]
        if ((peaks > first) & (peaks < annotated)).any():
            result[k] = 1
        elif inside(np.array([annotated - 0.1 * fs]), marks.spans["P"]).all():
            result[k] = 0
    return result


def _cases(
    records: Sequence[tuple[str, AnnotatedRecord]], folder: Path
) -> Iterator[Case]:
    """Yield all leads of each record together, fewer of LUDB, and each lead alone."""
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
        subsets: list[tuple[Sequence[int], float]] = [(rows, 1.0)]
        if len(rows) > 1:
            subsets += [([row], 1 / 3) for row in rows]
        if database == "LUDB":
            subsets += [
                ([LEADS.index(lead) for lead in given], 1 / 2)
                for given in FEWER_LEADS.values()
                if len(given) > 1
            ]
        for subset, weight in subsets:
            filtered = leads.only(subset).filtered
            seen = network_input(filtered, record.fs)
            annotations = record.annotations
            if len(annotations) > 1:
                annotations = tuple(annotations[row] for row in subset)
            yield Case(
                f"{database}, {len(subset)} lead{'s' * (len(subset) > 1)}",
                weight,
                fold,
                record.fs,
                seen and evidence_of(seen, weights),
                seen.voltages if seen else np.empty((0, 0)),
                annotations,
            )


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
    if len(case.annotations) == 1:
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


def _f1(cases: Sequence[Case], counts: FloatArray) -> dict[str, float]:
    """Return F1 by setting, of counts of shape (n_cases, 3)."""
    settings = np.array([case.setting for case in cases])
    scores = {}
    for setting in sorted({*settings.tolist()}):
        annotated, detected, hits = counts[settings == setting].sum(axis=0)
        scores[setting] = float(2 * hits / max(annotated + detected, 1))
    return scores


def _print_scores(mark: Mark, cases: Sequence[Case], chosen: Sequence[Rules]) -> None:
    """Print F1 by setting, by the rules of other folds and by those of all records."""
    nested = np.array([_counts(case, mark, chosen[case.fold]) for case in cases])
    of_all = np.array([_counts(case, mark, chosen[-1]) for case in cases])
    tables = [_f1(cases, counts) for counts in (nested, of_all)]
    print_table(
        f"F1 of {mark.name}",
        ("thresholds of other folds", "of all records"),
        {s: [f"{table[s]:.4f}" for table in tables] for s in tables[0]},
    )


def _text(rules: Rules) -> str:
    """Return rules in one line."""
    return ", ".join(f"{name} {value}" for name, value in rules._asdict().items())


if __name__ == "__main__":
    main()
