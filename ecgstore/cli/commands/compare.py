"""``ecgstore compare``: handcrafted, deep and fused classifiers on held-out records."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from ecgstore.cli.options.common import DEVICE, QUIET, store_or_url
from ecgstore.cli.options.declared import declared_options, drop_unset
from ecgstore.cli.output import echo
from ecgstore.cli.tables import print_table
from ecgstore.cli.torch_needed import needs_torch
from ecgstore.errors import counted
from ecgstore.models.comparison.settings import ComparisonSettings
from ecgstore.models.hybrid.settings import default_settings
from ecgstore.options import overridden, updated
from ecgstore.scores.texts import estimate_text

if TYPE_CHECKING:
    from ecgstore.scores.bootstrap import BootstrapResult

_QUICK: Final[Mapping[str, object]] = {
    "protocols": ["patients"],
    "n_folds": 3,
    "n_inner_folds": 2,
    "n_seeds": 1,
    "learning_curve": [],
    "n_resamples": 500,
    "fusion_epochs": 20,
    "fusion_batch_size": 16,
}
"""Options of ``--quick``."""


@click.command(
    epilog="""\b
Examples:
  ecgstore compare demo.h5 -o comparison --quick
  ecgstore compare challenge.h5 -o comparison
  ecgstore compare challenge.h5 -o comparison --model xresnet1d50 --protocols sources
  ecgstore compare challenge.h5 -o comparison --fs 100 --n-seeds 3
  ecgstore compare challenge.h5 -o comparison --config comparison.toml
"""
)
@store_or_url()
@click.option(
    "-o",
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    required=True,
    metavar="FOLDER",
    help="Folder for tables, plots and predictions, and for outputs of extractors and "
    "predictions of folds, which a resumed comparison reuses.",
)
@click.option(
    "--quick",
    is_flag=True,
    help="A first result within minutes: few folds and epochs, folds of patients only, "
    "one seed, no learning curve. --config and flags override it.",
)
@click.option(
    "--workers",
    type=click.IntRange(min=1),
    metavar="N",
    help="Number of extractors trained at the same time, with one thread each.  "
    "[default: number of CPU cores; 1 on a GPU]",
)
@DEVICE
@QUIET
@declared_options(ComparisonSettings())
def compare(
    store: Path,
    out: Path,
    quick: bool,
    workers: int | None,
    device: str | None,
    quiet: bool,
    config_file: Path | None,
    **flags: Any,
) -> None:
    """Compare handcrafted, deep and fused classifiers on STORE.

    Does it help to fuse handcrafted and deep features? For every fold, a deep network,
    small networks on handcrafted features, on deep features and on both, and boosted
    trees are trained and evaluated on test records, with paired bootstrap intervals
    over patients; so is the hybrid, the weighted sum of the logits of its parts.
    --fusion-epochs and its like are options of the small networks, not of this sum.
    Baselines without an ECG are evaluated too: the most frequent class, and the
    recording site alone. If the comparison is interrupted, the same command resumes
    it, and trains nothing again that was finished.
    """
    with needs_torch():
        from ecgstore.models.comparison.report import write_report
        from ecgstore.models.comparison.run import compare as compare_classifiers
        from ecgstore.models.devices import chosen_device
    from ecgstore.storage import Store

    with Store(store) as opened:
        settings = ComparisonSettings()
        fs = default_settings(opened.config.fs).model.fs
        settings = updated(settings, {**(_QUICK if quick else {}), "fs": fs})
        settings = overridden(settings, config_file, drop_unset(flags))
        chosen = chosen_device(device)
        n_cores = (os.cpu_count() or 1) if chosen.type == "cpu" else 1
        try:
            results = compare_classifiers(
                opened,
                settings,
                out,
                device=str(chosen),
                n_processes=workers or n_cores,
                quiet=quiet,
            )
        except KeyboardInterrupt as error:
            if out.exists():
                echo(
                    f"finished extractors and folds are kept in {out}; run the same "
                    "command again to resume",
                    err=True,
                )
            raise click.Abort from error
        report = write_report(opened, settings, results, out)
        for protocol, estimates in report.estimates.items():
            _print_protocol(protocol, estimates, results[protocol].n_seeds)
    echo("files:")
    for path in report.files:
        echo(f"  {path}")


def _print_protocol(protocol: str, estimates: "BootstrapResult", n_seeds: int) -> None:
    """Print the scores and their differences under one protocol."""
    from ecgstore.models.comparison.estimates import (
        TITLES,
        TITLES_EXPLAINED,
        difference,
        pairs_of,
    )
    from ecgstore.scores.table import SCORE_HEADINGS, SCORES_EXPLAINED

    echo(
        f"protocol {protocol}: {counted(estimates.n_records, 'record')} of "
        f"{counted(estimates.n_groups, 'patient')}, mean of "
        f"{counted(n_seeds, 'seed')}, {estimates.level:.0%} intervals; macro averages "
        f"over {estimates.averaged_over}"
    )
    print_table(
        ["classifier", *SCORE_HEADINGS.values()],
        [
            [
                TITLES[name],
                *(
                    estimate_text(*estimates.scores[name][score])
                    for score in SCORE_HEADINGS
                ),
            ]
            for name in estimates.names
        ],
    )
    echo(
        "differences (an interval that contains 0 is compatible with no difference; "
        "among so many intervals, some exclude 0 by chance):"
    )
    print_table(
        ["", *SCORE_HEADINGS.values()],
        [
            [
                f"{TITLES[first]} - {TITLES[second]}",
                *(
                    estimate_text(*differences[score], sign="+")
                    for differences in [difference(estimates, first, second)]
                    for score in SCORE_HEADINGS
                ),
            ]
            for first, second in pairs_of(estimates)
        ],
    )
    for sentence in (TITLES_EXPLAINED, *SCORES_EXPLAINED):
        echo(sentence)
