"""The results of a comparison under one protocol: scores, differences, thresholds."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Final

from ecgstore.errors import counted
from ecgstore.models.comparison.estimates import (
    N_REGISTERED,
    PAIRS,
    TITLES,
    difference,
    macro_within_sources,
    pairs_of,
)
from ecgstore.models.comparison.pictures import drawings_of
from ecgstore.models.comparison.stored import StoredProtocol
from ecgstore.reports.page import Block, Paragraph, Section, Table
from ecgstore.reports.pictures import Pictures
from ecgstore.reports.scores import (
    by_heading,
    class_table,
    score_table,
    scores_explained,
    threshold_text,
    wide_tables,
)
from ecgstore.scores.bootstrap import Estimate
from ecgstore.scores.table import CLASS_SCORE_HEADINGS
from ecgstore.scores.texts import estimate_text, number_text

_PROTOCOLS: Final = {
    "patients": (
        "folds of patients",
        "The patients are divided into {n_folds}; each fold is predicted by "
        "classifiers that were trained on the other folds. No patient is on both "
        "sides. Training and test records are of the same sources, as in everyday use "
        "at the places that the data came from.",
    ),
    "sources": (
        "one source left out",
        "The records of each source are predicted by classifiers that were trained on "
        "the records of the other sources only, without any patient of the source left "
        "out: how well does it work at a place that gave no training records? There "
        "are {n_folds}, one for each source.",
    ),
}
"""Title and explanation of each protocol."""

_CAPTIONS: Final = {
    "scores": "Scores of every classifier with their intervals; each panel has its own "
    "scale. The table of scores has the numbers.",
    "classes-auroc": "AUROC of every classifier for each class, with intervals. The "
    "table of AUROC by class has the numbers.",
    "differences": "Differences of scores between classifiers on the same records, "
    "with intervals. The tables of differences have the numbers.",
    "reliability": "Observed frequency over predicted probability, first seed; the "
    "calibration errors in the tables say how far the lines are from the diagonal.",
    "by-source": "Macro AUROC within each source. The table of sources has the "
    "numbers.",
}
_CONFUSION: Final = "confusion-"
_ON_PAPER: Final = ("by-source",)


def title_of(protocol: StoredProtocol) -> str:
    """Return the name of a protocol in words."""
    name, _, n_records = protocol.name.partition("-")
    title = _PROTOCOLS[name][0]
    return f"{title}, about {n_records} training records" if n_records else title


def explained(protocol: StoredProtocol) -> str:
    """Return how test records are held out."""
    name, _, n_records = protocol.name.partition("-")
    text = _PROTOCOLS[name][1].format(
        n_folds=counted(len(protocol.result.outer), "fold")
    )
    if n_records:
        text += (
            f" Of the training records of each fold, those of some patients are used, "
            f"about {n_records} records."
        )
    return text


def results_section(protocol: StoredProtocol, pictures: Pictures) -> Section:
    """Return the results of one protocol."""
    drawings = drawings_of(
        protocol.records, protocol.name, protocol.result, protocol.estimates
    )

    def drawn(*names: str) -> list[Block]:
        return [
            pictures.add(
                drawings[name](),
                f"{name}, {title_of(protocol)}",
                _caption(name),
                on_paper=name in _ON_PAPER or name.startswith(_CONFUSION),
            )
            for name in names
            if name in drawings
        ]

    return Section(
        f"Results: {title_of(protocol)}",
        [Paragraph(explained(protocol))],
        [
            Section("Scores", [*_scores(protocol), *drawn("scores")]),
            Section(
                "Scores of each class",
                [*_class_scores(protocol), *drawn("classes-auroc")],
            ),
            Section("Differences", [*_differences(protocol), *drawn("differences")]),
            Section("Reliability", drawn("reliability")),
            Section(
                "Confusion", drawn(*(n for n in drawings if n.startswith(_CONFUSION)))
            ),
            Section("Within each source", [*_by_source(protocol), *drawn("by-source")]),
            Section("Thresholds", _thresholds(protocol)),
        ],
    )


def _caption(name: str) -> str:
    """Return the caption of a figure."""
    if name.startswith(_CONFUSION):
        return (
            f"Confusion of {TITLES[name.removeprefix(_CONFUSION)]}, first seed: the "
            "share of the records of a class (rows) that are predicted to have each "
            "class (columns). The F1 scores in the tables sum them up."
        )
    return _CAPTIONS[name]


def _scores(protocol: StoredProtocol) -> list[Block]:
    """Return the table of scores of all records."""
    estimates = protocol.estimates
    return [
        score_table(
            f"Scores with {estimates.level:.0%} intervals, mean of "
            f"{counted(protocol.result.n_seeds, 'seed')}; macro averages over "
            f"{estimates.averaged_over}",
            {TITLES[name]: estimates.scores[name] for name in estimates.names},
            note=scores_explained(),
        )
    ]


def _class_scores(protocol: StoredProtocol) -> list[Block]:
    """Return tables of each score, by classifier and class."""
    estimates, records = protocol.estimates, protocol.records
    n_positive = records.labels.sum(axis=0)
    return [
        table
        for score, heading in CLASS_SCORE_HEADINGS.items()
        for table in wide_tables(
            f"{heading[0].upper()}{heading[1:]} of each class (records with it)",
            "classifier",
            [TITLES[name] for name in estimates.names],
            [
                (
                    f"{label} ({n_positive[number]:,})",
                    [
                        estimate_text(*estimates.class_scores[name][score][number])
                        for name in estimates.names
                    ],
                )
                for number, label in enumerate(records.label_names)
            ],
        )
    ]


def _differences(protocol: StoredProtocol) -> list[Block]:
    """Return the differences: the registered ones first."""
    estimates, records = protocol.estimates, protocol.records
    pairs = pairs_of(estimates)
    registered = [pair for pair in PAIRS[:N_REGISTERED] if pair in pairs]
    others = [pair for pair in pairs if pair not in registered]
    blocks: list[Block] = []
    if registered:
        blocks.append(
            score_table(
                "Registered differences, first minus second, with intervals",
                {_pair(pair): difference(estimates, *pair) for pair in registered},
                first="difference",
                sign="+",
                note="These pairs were chosen before the results were known, to answer "
                "whether fusion helps. An interval that contains 0 is compatible with "
                "no difference.",
            )
        )
    blocks += [
        class_table(
            f"Registered difference by class: {_pair((first, second))}",
            records.label_names,
            records.labels.sum(axis=0),
            by_heading(_class_differences(protocol, first, second)),
            sign="+",
        )
        for first, second in registered
    ]
    if others:
        blocks.append(
            score_table(
                "Exploratory differences, first minus second, with intervals",
                {_pair(pair): difference(estimates, *pair) for pair in others},
                first="difference",
                sign="+",
                note="These are exploratory: among so many intervals, some exclude 0 "
                f"by chance. {protocol.name}-differences.csv beside the predictions "
                "has every pair, by class too.",
            )
        )
    return blocks or [Paragraph("There is only one classifier.")]


def _class_differences(
    protocol: StoredProtocol, first: str, second: str
) -> Mapping[str, Sequence[Estimate]]:
    """Return the first classifier's scores of classes minus the second's."""
    differences = protocol.estimates.class_differences
    if (first, second) in differences:
        return differences[first, second]
    return {
        score: [Estimate(-one.value, -one.high, -one.low) for one in ones]
        for score, ones in differences[second, first].items()
    }


def _pair(pair: tuple[str, str]) -> str:
    """Return the name of a difference."""
    return f"{TITLES[pair[0]]} \N{MINUS SIGN} {TITLES[pair[1]]}"


def _by_source(protocol: StoredProtocol) -> list[Table]:
    """Return the macro AUROC within each source."""
    names = protocol.estimates.names
    n_records = Counter(protocol.records.source)
    return wide_tables(
        "Macro AUROC within each source (its records), mean of the seeds",
        "classifier",
        [TITLES[name] for name in names],
        [
            (
                f"{source} ({n_records[source]:,})",
                [number_text(of_source[name]) for name in names],
            )
            for source, of_source in macro_within_sources(
                protocol.records, protocol.result
            ).items()
        ],
        "Only records of the same source are ranked against each other, so that "
        "knowing the source has no advantage. Means are over the classes that some, "
        "but not all records of the source have; undefined without such a class.",
    )


def _thresholds(protocol: StoredProtocol) -> list[Table]:
    """Return the thresholds of every classifier and class."""
    names, predictions = protocol.estimates.names, protocol.result.predictions
    tested = [fold.test[0] for fold in protocol.result.outer]
    return wide_tables(
        "Thresholds: median over folds and seeds, and their range in brackets",
        "classifier",
        [TITLES[name] for name in names],
        [
            (
                label,
                [
                    threshold_text(predictions[name].thresholds[:, tested, number])
                    for name in names
                ],
            )
            for number, label in enumerate(protocol.records.label_names)
        ],
        "A class is predicted where its probability is at least the threshold. Each "
        "threshold has the best F1 on the training records of its fold, each predicted "
        "by a training without it; no test record has a part in it. Those of baselines "
        "are 0.5. F1, subset accuracy and confusion depend on thresholds, the other "
        "scores do not.",
    )
