"""The report of a comparison: scores, differences, pictures, and how to run it again.

Everything is computed from the predictions in its folder, by the functions that also
write the tables and plots of `ecgstore compare`.
"""

import shlex
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ecgstore.errors import EcgStoreError, SchemaError, counted
from ecgstore.models.comparison.baselines import BASELINES
from ecgstore.models.comparison.estimates import (
    TITLES,
    TITLES_EXPLAINED,
)
from ecgstore.models.comparison.pictures import learning_curve
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
from ecgstore.reports.protocols import explained, results_section, title_of
from ecgstore.reports.settings import rerun_blocks
from ecgstore.scores.table import (
    CLASS_SCORE_HEADINGS,
    SCORE_HEADINGS,
)
from ecgstore.scores.texts import estimate_text

if TYPE_CHECKING:
    from ecgstore.storage import Store


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
    names = ", ".join(title_of(one) for one in whole or protocols)
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
            *(results_section(one, pictures) for one in whole),
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
                    [title_of(one), explained(one), round(one.result.n_training)]
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
            f"Predicted by {TITLES[name]} under the protocol {title_of(protocol)}; "
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
