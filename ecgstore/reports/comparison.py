"""The report of a comparison: scores, differences, pictures, and how to run it again.

Everything is computed from the predictions in its folder, by the functions that also
write the tables and plots of `ecgstore compare`.
"""

import shlex
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np

from ecgstore.errors import EcgStoreError, SchemaError, counted
from ecgstore.models.comparison.baselines import BASELINES
from ecgstore.models.comparison.estimates import (
    N_REGISTERED,
    PAIRS,
    TITLES,
    TITLES_EXPLAINED,
    difference,
    macro_within_sources,
    pairs_of,
)
from ecgstore.models.comparison.pictures import drawings_of, learning_curve
from ecgstore.models.comparison.settings import ComparisonSettings
from ecgstore.models.comparison.stored import StoredProtocol, read_comparison
from ecgstore.reports.hardest import (
    hardest_gallery,
    hardest_records,
    hardest_table,
)
from ecgstore.reports.page import (
    Block,
    Cell,
    Facts,
    Paragraph,
    Report,
    Section,
    Table,
)
from ecgstore.reports.pictures import Pictures
from ecgstore.reports.scores import (
    by_heading,
    class_table,
    score_table,
    threshold_text,
    wide_tables,
)
from ecgstore.reports.settings import rerun_blocks
from ecgstore.scores.bootstrap import Estimate
from ecgstore.scores.table import (
    CLASS_SCORE_HEADINGS,
    SCORE_HEADINGS,
    SCORES_EXPLAINED,
)
from ecgstore.scores.texts import estimate_text, number_text

if TYPE_CHECKING:
    from ecgstore.storage import Store

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


def comparison_report(folder: Path, store: "Store | None" = None) -> Report:
    """Return the report of a comparison.

    Parameters
    ----------
    folder : Path
        The folder of `ecgstore compare`.
    store : Store, optional
        The store that was compared on, for pictures of the hardest records.

    Raises
    ------
    EcgStoreError
        If the folder is no finished comparison, or the store is another one.
    SchemaError
        If a file is damaged; see `ecgstore.models.comparison.stored.read_comparison`.
    """
    protocols = read_comparison(folder)
    if store is not None:
        _require_same_store(protocols[0], store)
    whole = [one for one in protocols if "-" not in one.name]
    pictures = Pictures()
    first = protocols[0]
    names = ", ".join(_title(one) for one in whole or protocols)
    return Report(
        title=f"Comparison of classifiers on {first.store_name}",
        summary=(
            f"{len(first.estimates.names)} classifiers on "
            f"{counted(len(first.records.names), 'record')} of "
            f"{counted(first.estimates.n_groups, 'patient')}, labelled with "
            f"{', '.join(first.records.label_names)}: {names}."
        ),
        sections=[
            _compared(protocols),
            *(_protocol(one, pictures) for one in whole),
            *_learning_curve(protocols, pictures),
            _hardest((whole or protocols)[0], store),
            _run_again(protocols),
        ],
    )


def _require_same_store(protocol: StoredProtocol, store: "Store") -> None:
    """Refuse a store that the comparison was not made on."""
    if store.fingerprint != protocol.fingerprint:
        raise EcgStoreError(
            f"{store.place}: has the fingerprint {store.fingerprint[:16]}..., the "
            f"comparison was made on {protocol.store_name!r} with "
            f"{protocol.fingerprint[:16]!r}...; expected that store: give it, or leave "
            "out --store for a report without pictures of records"
        )
    records = protocol.records
    if (
        tuple(store) != records.names
        or store.label_names != records.label_names
        or (store.labels(dtype=np.uint8) != records.labels).any()
    ):
        raise SchemaError(
            f"{protocol.path}: its records or labels are not those of {store.place}, "
            "whose fingerprint it has; restore the file from a copy, or make it again "
            "with `ecgstore compare`"
        )


def _title(protocol: StoredProtocol) -> str:
    """Return the name of a protocol in words."""
    name, _, n_records = protocol.name.partition("-")
    title = _PROTOCOLS[name][0]
    return f"{title}, about {n_records} training records" if n_records else title


def _explained(protocol: StoredProtocol) -> str:
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


def _compared(protocols: Sequence[StoredProtocol]) -> Section:
    """Return what was compared, on which records."""
    first = protocols[0]
    records, estimates = first.records, first.estimates
    n_values = sum(_n_values(one) for one in protocols)
    furthest = max(one.furthest for one in protocols)
    n_of_source = Counter(records.source)
    sources: list[list[Cell]] = [
        [str(name), n, *(int(k) for k in records.labels[records.source == name].sum(0))]
        for name, n in sorted(n_of_source.items())
    ]
    if len(sources) > 1:
        sources.append(["all", len(records.names), *map(int, records.labels.sum(0))])
    return Section(
        "What was compared",
        [
            Paragraph(
                "Does it help to fuse handcrafted features with a deep network? All "
                "classifiers predict the same records, and none has seen a patient of "
                "the records that it predicts. They are scored on the same resamples "
                "of the patients, so that differences are paired."
            ),
            Facts(
                [
                    ("store", first.store_name),
                    ("fingerprint of the store", first.fingerprint),
                    ("records", len(records.names)),
                    ("patients", estimates.n_groups),
                    ("classes", len(records.label_names)),
                    ("sources", len(n_of_source)),
                    ("seeds", first.result.n_seeds),
                    (
                        "intervals",
                        f"{estimates.level:.0%}, {estimates.n_resamples:,} resamples "
                        "of the patients",
                    ),
                ]
            ),
            Table(
                "Records by source and class; a record may have several classes",
                ["source", "records", *records.label_names],
                sources,
            ),
            Table(
                "The classifiers",
                ["classifier", "name in files", "baseline"],
                [
                    [TITLES[name], name, "yes" if name in BASELINES else "no"]
                    for name in estimates.names
                ],
                f"{TITLES_EXPLAINED}. Baselines use no ECG: a useful classifier must "
                "be better than both, the most frequent class of the training records, "
                "and the shares of the classes in the training records of the same "
                "source.",
            ),
            Table(
                "How records were held out",
                ["protocol", "in plain words", "training records, mean of the folds"],
                [
                    [_title(one), _explained(one), round(one.result.n_training)]
                    for one in protocols
                ],
            ),
            Paragraph(
                f"Check: {n_values:,} scores and differences of this report were "
                "computed again from the predictions in the folder. They are those "
                f"that were stored; the largest difference is {furthest:.1g}."
            ),
        ],
    )


def _n_values(protocol: StoredProtocol) -> int:
    """Return the number of scores and differences that were computed again."""
    n_sets = len(protocol.estimates.names) + len(protocol.estimates.differences)
    n_classes = len(protocol.records.label_names)
    return n_sets * (len(SCORE_HEADINGS) + n_classes * len(CLASS_SCORE_HEADINGS))


def _protocol(protocol: StoredProtocol, pictures: Pictures) -> Section:
    """Return the results of one protocol."""
    drawings = drawings_of(
        protocol.records, protocol.name, protocol.result, protocol.estimates
    )

    def drawn(*names: str) -> list[Block]:
        return [
            pictures.add(
                drawings[name](),
                f"{name}, {_title(protocol)}",
                _caption(name),
                on_paper=name in _ON_PAPER or name.startswith(_CONFUSION),
            )
            for name in names
            if name in drawings
        ]

    return Section(
        f"Results: {_title(protocol)}",
        [Paragraph(_explained(protocol))],
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
            note=_sentences(SCORES_EXPLAINED),
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


def _learning_curve(
    protocols: Sequence[StoredProtocol], pictures: Pictures
) -> list[Section]:
    """Return the scores by number of training records, if there are several numbers."""
    drawing = learning_curve(
        {one.name: one.result.n_training for one in protocols},
        {one.name: one.estimates for one in protocols},
    )
    if drawing is None:
        return []
    curve = sorted(
        (one for one in protocols if one.name.partition("-")[0] == "patients"),
        key=lambda one: one.result.n_training,
    )
    shared = [
        name
        for name in curve[0].estimates.names
        if all(name in one.estimates.names for one in curve)
    ]
    return [
        Section(
            "Learning curve",
            [
                Paragraph(
                    "The same test records, predicted after training on fewer records; "
                    "fewer records are a part of more, of whole patients. Numbers of "
                    "less than all records are of one seed."
                ),
                *(
                    Table(
                        f"{heading} by mean number of training records",
                        [
                            "classifier",
                            *(f"{one.result.n_training:,.0f}" for one in curve),
                        ],
                        [
                            [
                                TITLES[name],
                                *(
                                    estimate_text(*one.estimates.scores[name][score])
                                    for one in curve
                                ),
                            ]
                            for name in shared
                        ],
                    )
                    for score, heading in list(SCORE_HEADINGS.items())[:1]
                ),
                pictures.add(
                    drawing,
                    "Learning curve",
                    "Scores and their registered differences by number of training "
                    "records. The table has the numbers.",
                ),
            ],
        )
    ]


def _hardest(protocol: StoredProtocol, store: "Store | None") -> Section:
    """Return the records that the best classifier gets most wrong."""
    name = _best(protocol)
    predictions, records = protocol.result.predictions[name], protocol.records
    hardest = hardest_records(
        records.names,
        records.label_names,
        records.labels > 0,
        predictions.probabilities,
        predictions.thresholds,
    )
    blocks: list[Block] = [
        Paragraph(
            f"Predicted by {TITLES[name]} under the protocol {_title(protocol)}; "
            "probabilities and thresholds are means of the seeds."
        ),
        hardest_table(hardest, TITLES[name]),
    ]
    if store is None:
        blocks.append(
            Paragraph("For pictures of these records, give their store with --store.")
        )
    else:
        blocks.append(hardest_gallery(hardest, store))
    return Section("The hardest records", blocks)


def _best(protocol: StoredProtocol) -> str:
    """Return the hybrid, or else the classifier with the highest macro AUROC."""
    names = protocol.estimates.names
    if "hybrid" in names:
        return "hybrid"
    trained = [name for name in names if name not in BASELINES] or list(names)
    scores = protocol.estimates.scores
    return max(
        trained, key=lambda name: np.nan_to_num(scores[name]["macro_auroc"].value)
    )


def _run_again(protocols: Sequence[StoredProtocol]) -> Section:
    """Return what is needed to make the comparison again."""
    first = protocols[0]
    software = {
        name: version for one in protocols for name, version in one.software.items()
    }
    differ = [one for one in protocols if one.software != first.software]
    store = first.store_name if first.store_name.isprintable() else "STORE"
    command = f"ecgstore compare {shlex.quote(store)} -o comparison"
    return Section(
        "Run it again",
        [
            *rerun_blocks(command, (ComparisonSettings(), first.settings)),
            Table(
                "Software of the comparison",
                ["software", "version"],
                [[name, version] for name, version in software.items()],
                "Some of the files were made with other versions." if differ else "",
            ),
            Facts(
                [
                    ("store", first.store_name),
                    ("fingerprint of the store", first.fingerprint),
                    ("seeds", ", ".join(map(str, range(first.result.n_seeds)))),
                    ("predictions", ", ".join(one.path.name for one in protocols)),
                ]
            ),
            Paragraph(
                "The files of predictions have the probabilities of every classifier, "
                "seed and record, and every threshold: all numbers above can be "
                "computed from them."
            ),
        ],
    )


def _sentences(texts: Sequence[str]) -> str:
    """Return texts as sentences."""
    return " ".join(f"{text[0].upper()}{text[1:]}." for text in texts)
