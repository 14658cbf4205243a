"""``ecgstore compare``: handcrafted, deep and fused classifiers, without a leak."""

import os
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from ecgstore.cli.model_options import DEVICE, QUIET, model_options, settings_from
from ecgstore.cli.options import STORE
from ecgstore.cli.tables import estimate_text, print_table
from ecgstore.cli.torch_needed import needs_torch

if TYPE_CHECKING:
    from ecgstore.models.settings import ComparisonSettings
    from ecgstore.scores.bootstrap import BootstrapResult

_FAST_FS: Final = 100.0


@click.command(
    epilog="""\b
Examples:
  ecgstore compare demo.h5 -o comparison --quick
  ecgstore compare challenge.h5 -o comparison
  ecgstore compare challenge.h5 -o comparison --model xresnet1d50 --protocol sources
  ecgstore compare challenge.h5 -o comparison --fs 100 --seeds 3
"""
)
@click.argument("store", type=STORE)
@click.option(
    "-o",
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    required=True,
    metavar="FOLDER",
    help="Where to: tables, plots, every prediction; and what is done so far.",
)
@click.option(
    "--quick",
    is_flag=True,
    help="A first look in minutes: 100 Hz, a small network, few epochs, folds of "
    "patients only, one seed. Other options still count.",
)
@click.option(
    "--protocol",
    "protocols",
    type=click.Choice(("patients", "sources")),
    multiple=True,
    help="Judge folds of patients, or each source by the others; repeat for both.  "
    "[both]",
)
@click.option("--folds", "n_folds", type=int, help="Folds of patients.  [5]")
@click.option(
    "--inner-folds", "n_inner_folds", type=int, help="Extractors per fold.  [3]"
)
@click.option("--seeds", "n_seeds", type=int, help="Train all so many times.  [5]")
@click.option(
    "--deep-inputs",
    type=click.Choice(("logits", "features")),
    help="What of the extractors is fused.  [logits: see docs/models.md]",
)
@click.option("--age-sex", is_flag=True, help="Give age and sex to every classifier.")
@click.option(
    "--workers",
    type=click.IntRange(min=1),
    metavar="N",
    help="Extractors trained at a time, a thread each.  [cores; 1 on a GPU]",
)
@model_options
@DEVICE
@QUIET
def compare(
    store: Path,
    out: Path,
    quick: bool,
    protocols: tuple[str, ...],
    n_folds: int | None,
    n_inner_folds: int | None,
    n_seeds: int | None,
    deep_inputs: str | None,
    age_sex: bool,
    workers: int | None,
    device: str | None,
    quiet: bool,
    **options: Any,
) -> None:
    """Judge every record of STORE by classifiers that have not seen it.

    Does fusion help? A deep network, small networks on handcrafted features, on deep
    ones and on both, and boosted trees, each trained anew for every fold; with paired
    bootstrap intervals over patients, beside what always saying the commonest class
    or knowing the recording site alone comes to. Stopped at any time, the same
    command goes on.
    """
    with needs_torch():
        from ecgstore.models.comparison.report import write_report
        from ecgstore.models.comparison.run import compare as compare_modes
        from ecgstore.models.devices import chosen_device
        from ecgstore.models.settings import ComparisonSettings
    from ecgstore.storage import Store

    with Store(store) as opened:
        settings = ComparisonSettings()
        if quick:
            settings = _quick(settings, opened.config.fs)
        model, training = settings_from(options, settings.model, settings.training)
        given: dict[str, Any] = {
            "protocols": protocols or None,
            "n_folds": n_folds,
            "n_inner_folds": n_inner_folds,
            "n_seeds": n_seeds,
            "deep_inputs": deep_inputs,
            "age_sex": age_sex or None,
        }
        settings = replace(
            settings,
            model=model,
            training=training,
            **{name: value for name, value in given.items() if value is not None},
        )
        chosen = chosen_device(device)
        n_cores = (os.cpu_count() or 1) if chosen.type == "cpu" else 1
        try:
            results = compare_modes(
                opened,
                settings,
                out,
                device=str(chosen),
                n_processes=workers or n_cores,
                quiet=quiet,
            )
        except KeyboardInterrupt as error:
            click.echo(
                f"what is done is kept in {out}; run the same command again to "
                "continue",
                err=True,
            )
            raise click.Abort from error
        report = write_report(opened, settings, results, out)
        for protocol, found in report.estimates.items():
            _print_protocol(protocol, found, settings.n_seeds)
    click.echo("\n".join(["files:", *(f"  {path}" for path in report.files)]))


def _quick(settings: "ComparisonSettings", fs: float) -> "ComparisonSettings":
    """Return settings for a first look."""
    return replace(
        settings,
        protocols=("patients",),
        n_folds=3,
        n_inner_folds=2,
        n_seeds=1,
        n_resamples=500,
        model=replace(
            settings.model, model="cnn", fs=_FAST_FS if fs % _FAST_FS == 0 else None
        ),
        training=replace(settings.training, epochs=8, batch_size=8),
        fusion=replace(settings.fusion, epochs=20, batch_size=16),
    )


def _print_protocol(protocol: str, found: "BootstrapResult", n_seeds: int) -> None:
    """Print the scores and the differences of one protocol."""
    from ecgstore.models.comparison.estimates import PAIRS, TITLES, difference
    from ecgstore.scores.table import SCORE_HEADINGS

    click.echo(
        f"folds by {protocol}: {found.n_records} records of {found.n_groups} patients, "
        f"mean of {n_seeds} seed{'s' * (n_seeds > 1)}, {found.level:.0%} intervals"
    )
    print_table(
        ["classifier", *SCORE_HEADINGS.values()],
        [
            [
                TITLES[name],
                *(
                    estimate_text(*found.scores[name][score])
                    for score in SCORE_HEADINGS
                ),
            ]
            for name in found.names
        ],
    )
    click.echo(
        "differences (an interval that holds 0 may be chance; of so many, some exclude "
        "it by chance):"
    )
    print_table(
        ["", *SCORE_HEADINGS.values()],
        [
            [
                f"{TITLES[first]} - {TITLES[second]}",
                *(
                    estimate_text(*each, sign="+")
                    for score in SCORE_HEADINGS
                    for each in [difference(found, first, second)[score]]
                ),
            ]
            for first, second in PAIRS
        ],
    )
