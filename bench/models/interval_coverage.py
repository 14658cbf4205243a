"""Count how often the bootstrap's 95 % intervals contain the true score.

Example::

    python -m bench.models.interval_coverage --repetitions 300 --json coverage.json

In every repetition, records are simulated: patients with one to three records each and
seven classes, as frequent as those of the Challenge records in this repository's
results. A record's evidence for a class is normal, with a part that is common to the
patient's records, so that the probability of the class follows from it. Two sets of
predictions are scored: these probabilities, and too extreme ones (twice the logits).
The true score is that of very many records. The intervals are those of
`ecgstore.scores.bootstrap.paired_bootstrap`, and plain percentiles of the same
resamples for comparison.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

import numpy as np

from bench.common.command_line import add_count, benchmark_parser
from bench.common.report import write_json
from bench.common.tables import print_table
from ecgstore.arrays import BoolArray, FloatArray, IntArray
from ecgstore.scores.bootstrap import draw_counts, paired_bootstrap
from ecgstore.scores.table import SCORE_TABLE, SCORES
from ecgstore.scores.weighted import weighted_scores

N_RECORDS: Final = (200, 667)
LEVEL: Final = 0.95
_N_POPULATION: Final = 400_000
_FREQUENCY: Final = np.array([0.74, 0.13, 0.03, 0.04, 0.05, 0.06, 0.09])
_DISTANCE: Final = np.array([2.0, 1.4, 2.8, 2.8, 1.4, 1.8, 1.6])
"""Distance of the evidence with and without the class, in standard deviations; the
AUROC is the normal distribution's value at the distance over the root of 2."""
_COMMON: Final = 0.5
"""Share of the variance of the evidence that a patient's records have in common."""
_LOGITS: Final = {"perfect probabilities": 1.0, "too extreme probabilities": 2.0}
"""Factors of the logits of the sets of predictions."""
_THRESHOLD: Final = 0.3
_METHODS: Final = ("bias-corrected", "percentiles")


class _Simulated(NamedTuple):
    """Labels and logits, each of shape (n_records, n_classes), and patients."""

    labels: BoolArray
    logits: FloatArray
    patients: IntArray


def main(arguments: Sequence[str] | None = None) -> None:
    """Simulate, print the tables, and write JSON if a path is given."""
    parser = benchmark_parser("bench.models.interval_coverage", __doc__)
    add_count(parser, "--repetitions", 300, "simulated sets of records of each size")
    add_count(parser, "--resamples", 500, "resamples of the patients")
    options = parser.parse_args(arguments)
    truth = _true_scores()
    coverage = {
        str(n): _coverage(truth, n, options.repetitions, options.resamples)
        for n in N_RECORDS
    }
    results = {"repetitions": options.repetitions, "resamples": options.resamples}
    write_json(options.json, {**results, "coverage_%": coverage})


def _coverage(
    truth: Mapping[str, FloatArray],
    n_records: int,
    n_repetitions: int,
    n_resamples: int,
) -> dict[str, dict[str, dict[str, float]]]:
    """Return by predictions, method and score the percentage of intervals that hold."""
    held = {name: dict.fromkeys(_METHODS, np.zeros(len(SCORES))) for name in _LOGITS}
    for seed in range(n_repetitions):
        simulated = _simulate(np.random.default_rng([n_records, seed]), n_records)
        intervals = _intervals(simulated, n_resamples, seed)
        for name, methods in held.items():
            for method in _METHODS:
                low, high = intervals[name][method]
                inside = (low <= truth[name]) & (truth[name] <= high)
                methods[method] = methods[method] + inside
    shares = {
        name: {
            method: dict(zip(SCORES, (100 * n / n_repetitions).tolist(), strict=True))
            for method, n in methods.items()
        }
        for name, methods in held.items()
    }
    for name, by_method in shares.items():
        _print(f"{n_records} records, {name}", by_method, n_repetitions)
    return shares


def _print(
    title: str, methods: Mapping[str, Mapping[str, float]], n_repetitions: int
) -> None:
    """Print the percentages with their standard errors."""
    print_table(
        f"{title}: % of {n_repetitions} intervals of {LEVEL:.0%} with the true score",
        list(_METHODS),
        {
            row.overall_heading: [
                _with_error(methods[method][row.overall_name], n_repetitions)
                for method in _METHODS
            ]
            for row in SCORE_TABLE
        },
    )


def _with_error(percentage: float, n: int) -> str:
    """Return a percentage of n cases with its binomial standard error, as text."""
    return f"{percentage:.0f} ± {np.sqrt(percentage * (100 - percentage) / n):.1f}"


def _simulate(rng: np.random.Generator, n_records: int) -> _Simulated:
    """Return some records of patients with one to three records each.

    All records of a patient have the same classes.
    """
    n_of_patient = rng.integers(1, 4, n_records)
    patients = np.repeat(np.arange(n_records), n_of_patient)[:n_records]
    n_patients = patients[-1] + 1
    labels = rng.random((n_patients, len(_FREQUENCY))) < _FREQUENCY
    common = rng.standard_normal(labels.shape)[patients]
    own = rng.standard_normal((n_records, len(_FREQUENCY)))
    true = labels[patients]  # (n_records, n_classes)
    noise = np.sqrt(_COMMON) * common + np.sqrt(1 - _COMMON) * own
    # Bayes' theorem for two normal distributions with the same variance.
    evidence = (true - 0.5) * _DISTANCE + noise
    odds = np.log(_FREQUENCY / (1 - _FREQUENCY))
    return _Simulated(true, odds + _DISTANCE * evidence, patients)


def _predicted(simulated: _Simulated, factor: float) -> tuple[FloatArray, BoolArray]:
    """Return the probabilities and decisions of a set of predictions."""
    probabilities: FloatArray = 1 / (1 + np.exp(-factor * simulated.logits))
    return probabilities, probabilities >= _THRESHOLD


def _true_scores() -> dict[str, FloatArray]:
    """Return the scores of very many records by predictions, as in `SCORES`."""
    simulated = _simulate(np.random.default_rng(0), _N_POPULATION)
    once = np.ones((_N_POPULATION, 1))
    return {
        name: weighted_scores(
            simulated.labels, *_predicted(simulated, factor), once
        ).overall[0]
        for name, factor in _LOGITS.items()
    }


def _intervals(
    simulated: _Simulated, n_resamples: int, seed: int
) -> dict[str, dict[str, tuple[FloatArray, FloatArray]]]:
    """Return the ends of the intervals of all scores, by predictions and method."""
    predicted = {
        name: _predicted(simulated, factor) for name, factor in _LOGITS.items()
    }
    corrected = paired_bootstrap(
        simulated.labels,
        {name: probabilities for name, (probabilities, _) in predicted.items()},
        {name: decisions for name, (_, decisions) in predicted.items()},
        simulated.patients,
        n_resamples=n_resamples,
        seed=seed,
        level=LEVEL,
    ).scores
    counts = draw_counts(simulated.patients[-1] + 1, n_resamples, seed)
    weights = counts[simulated.patients].astype(np.float64)
    intervals: dict[str, dict[str, Any]] = {}
    for name, (probabilities, decisions) in predicted.items():
        resampled = weighted_scores(simulated.labels, probabilities, decisions, weights)
        ends = [(1 - LEVEL) / 2, (1 + LEVEL) / 2]
        percentiles = np.nanquantile(resampled.overall, ends, axis=0)
        _, low, high = np.array([corrected[name][score] for score in SCORES]).T
        intervals[name] = dict(zip(_METHODS, ((low, high), percentiles), strict=True))
    return intervals


if __name__ == "__main__":
    main()
