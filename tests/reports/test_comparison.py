"""The report of a comparison says what its predictions say, and trusts no file."""

import copy
import json
import os
import random
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from html import unescape
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import click
import numpy as np
import pytest

from ecgstore.cli.commands.compare import compare as compare_command
from ecgstore.cli.options.declared import drop_unset
from ecgstore.errors import EcgStoreError, SchemaError
from ecgstore.models.comparison import report as comparison_writer, stored
from ecgstore.models.comparison.estimates import TITLES
from ecgstore.models.comparison.protocols import OuterFold, outer_folds
from ecgstore.models.comparison.report import write_report
from ecgstore.models.comparison.results import Predictions, ProtocolResult
from ecgstore.models.comparison.settings import ComparisonSettings
from ecgstore.models.comparison.stored import read_comparison
from ecgstore.models.settings import ModelSettings, TrainingSettings
from ecgstore.options import updated
from ecgstore.reports import page, protocols
from ecgstore.reports.comparison import comparison_report
from ecgstore.reports.hardest import N_SHOWN, record_losses
from ecgstore.scores.texts import estimate_text
from ecgstore.storage import Store
from ecgstore.system import json_files

Json = dict[str, Any]

SETTINGS = ComparisonSettings(
    protocols=("patients", "sources"),
    n_folds=3,
    n_seeds=2,
    learning_curve=("20",),
    n_resamples=100,
    model=ModelSettings(model="cnn", fs=100.0),
    training=TrainingSettings(epochs=7, augment=False),
)
NAMES = ("source-only", "trees", "extractor", "handcrafted-sum", "hybrid")
FEW = ("most-frequent-class", "trees", "hybrid")


def made_up(
    store: Store, outer: list[OuterFold], names: tuple[str, ...], n_seeds: int
) -> ProtocolResult:
    """Return predictions that differ by classifier, seed, record and fold."""
    rng = np.random.default_rng(4)
    shape = (n_seeds, len(store), len(store.label_names))
    fold_of = np.empty(len(store), int)
    for number, fold in enumerate(outer):
        fold_of[fold.test] = number
    return ProtocolResult(
        outer,
        {
            name: Predictions(
                0.2 * store.labels() + 0.8 * rng.random(shape),
                rng.random((n_seeds, len(outer), shape[2]))[:, fold_of],
            )
            for name in names
        },
    )


def written(
    store: Store,
    folder: Path,
    names: tuple[str, ...],
    *protocols: str,
    n_seeds: int = 1,
) -> dict[str, ProtocolResult]:
    """Write a comparison of made-up predictions, without plots; return these."""
    results = {
        name: made_up(
            store,
            outer_folds(store, name, SETTINGS.n_folds),
            names,
            n_seeds,
        )
        for name in protocols
    }
    folder.mkdir()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(comparison_writer, "write_pictures", lambda *_: [])
        patch.setattr(comparison_writer, "write_learning_curve", lambda *_: [])
        write_report(store, SETTINGS, results, folder)
    return results


@pytest.fixture(scope="module")
def store(sample_store: Path) -> Iterator[Store]:
    with Store(sample_store) as opened:
        yield opened


@pytest.fixture(scope="module")
def whole(
    store: Store, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, dict[str, ProtocolResult]]:
    """Return a comparison, and what it predicted."""
    folder = tmp_path_factory.mktemp("whole") / "comparison"
    protocols = ("patients", "sources", "patients-20")
    return folder, written(store, folder, NAMES, *protocols, n_seeds=2)


@pytest.fixture(scope="module")
def few(store: Store, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the file of a comparison of few classifiers."""
    folder = tmp_path_factory.mktemp("few") / "comparison"
    written(store, folder, FEW, "patients")
    return folder / "patients.json"


@pytest.fixture
def own(few: Path, tmp_path: Path) -> Path:
    """Return a copy of this file, in a folder of its own."""
    (tmp_path / "own").mkdir()
    return Path(shutil.copy(few, tmp_path / "own"))


@pytest.fixture(scope="module")
def html(whole: tuple[Path, dict[str, ProtocolResult]], store: Store) -> str:
    """Return the report of the whole comparison, with pictures of records."""
    return page.html(comparison_report(whole[0], store))


@pytest.fixture(scope="module")
def few_html(few: Path) -> str:
    """Return the report of few classifiers, without pictures of records."""
    return page.html(comparison_report(few.parent))


def change(path: Path, edit: Callable[[Json], object]) -> None:
    """Change the values in a JSON file."""
    content = json.loads(path.read_text())
    edit(content)
    path.write_text(json.dumps(content))


def test_predictions_and_folds_are_read_as_they_were(
    store: Store, whole: tuple[Path, dict[str, ProtocolResult]]
) -> None:
    folder, results = whole
    protocols = read_comparison(folder)
    assert [one.name for one in protocols] == ["patients", "sources", "patients-20"]
    for one in protocols:
        expected = results[one.name]
        assert one.records.names == tuple(store)
        np.testing.assert_array_equal(one.records.labels, store.labels())
        assert one.furthest <= 1e-12
        for name, predictions in expected.predictions.items():
            found = one.result.predictions[name]
            for array in ("probabilities", "thresholds"):
                np.testing.assert_array_equal(
                    getattr(found, array), getattr(predictions, array)
                )
        for found_fold, fold in zip(one.result.outer, expected.outer, strict=True):
            assert found_fold.name == fold.name
            np.testing.assert_array_equal(found_fold.test, fold.test)
            np.testing.assert_array_equal(found_fold.training, fold.training)


def test_every_score_and_registered_difference_is_in_the_report(
    whole: tuple[Path, dict[str, ProtocolResult]], html: str
) -> None:
    text = unescape(html)
    for one in read_comparison(whole[0])[:2]:
        for of_scores in one.estimates.scores.values():
            for estimate in of_scores.values():
                assert estimate_text(*estimate) in text
        for of_classes in one.estimates.class_scores.values():
            for estimates in of_classes.values():
                assert all(estimate_text(*estimate) in text for estimate in estimates)
    assert text.index("Registered differences") < text.index("Exploratory differences")
    for name in NAMES:
        assert TITLES[name] in text


def test_the_hardest_records_are_those_with_the_highest_loss(
    store: Store, whole: tuple[Path, dict[str, ProtocolResult]], html: str
) -> None:
    predictions = whole[1]["patients"].predictions["hybrid"].probabilities
    labels = store.labels(dtype=np.bool_)
    losses = np.zeros(len(store))
    for row in range(len(store)):
        for column in range(labels.shape[1]):
            for seed in range(2):
                p = predictions[seed, row, column]
                losses[row] -= np.log(p if labels[row, column] else 1 - p)
    losses /= 2 * labels.shape[1]
    np.testing.assert_allclose(record_losses(labels, predictions), losses)
    names = [*store]
    hardest = [names[row] for row in np.argsort(-losses)[:N_SHOWN]]
    titles = re.findall(
        r'<figure class="ecg">\s*<svg[^>]*>\s*<title>([^<]+)</title>', html
    )
    assert titles == hardest
    assert "atrial fibrillation" in html  # labels in words


def test_without_the_store_records_are_listed_by_name(
    few_html: str, store: Store
) -> None:
    assert '<figure class="ecg">' not in few_html
    assert "give their store with --store" in few_html
    listed = few_html[few_html.index("with the highest loss") :]
    assert sum(f">{name}</th>" in listed for name in store) == N_SHOWN


def test_a_learning_curve_needs_two_numbers_of_records(
    few_html: str, html: str
) -> None:
    assert "Learning curve" in html
    assert "Learning curve" not in few_html


def test_the_command_in_the_report_gives_the_same_settings(
    store: Store, html: str
) -> None:
    code = unescape(re.findall(r"<code>\s*(.*?)</code>", html, re.DOTALL)[0])
    words = shlex.split(code.replace("\\\n", ""))
    assert words[:2] == ["ecgstore", "compare"]
    with click.Context(compare_command) as context:
        compare_command.parse_args(context, words[2:])
    flags = {
        name: value
        for name, value in drop_unset(context.params).items()
        if name not in {"store", "out", "quick", "quiet"}
    }
    assert updated(ComparisonSettings(), flags) == SETTINGS.for_store(store)


def test_undefined_scores_are_shown_as_such(
    store: Store, few: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "undefined"
    labels = store.labels()
    labels[:, 2] = 0

    class NoSuchClass:
        def __init__(self) -> None:
            self.labels = lambda **_: labels.astype(np.uint8)

        def __getattr__(self, name: str) -> object:
            return getattr(store, name)

        def __iter__(self) -> Iterator[str]:
            return iter(store)

        def __len__(self) -> int:
            return len(store)

    written(NoSuchClass(), folder, FEW, "patients")  # type: ignore[arg-type]
    text = page.html(comparison_report(folder))
    assert text.count("<td>undefined</td>") > 8


@pytest.mark.parametrize(
    ("edit", "where"),
    [
        (
            lambda content: content["estimates"]["scores"]["trees"].update(
                macro_auroc=[0.99, 0.9, 1.0]
            ),
            "estimates.scores.trees.macro_auroc",
        ),
        (
            lambda content: content["records"][3]["probabilities"].update(
                hybrid=[[0.99] * 7]
            ),
            "estimates.scores.hybrid",
        ),
        (
            lambda content: content["records"][3].update(labels=[1] * 7),
            "estimates.scores",
        ),
        (
            lambda content: content["records"][3].update(
                patient=content["records"][4]["patient"]
            ),
            "estimates.n_groups",
        ),
    ],
)
def test_scores_that_are_not_those_of_the_predictions_are_an_error(
    own: Path, edit: Callable[[Json], object], where: str
) -> None:
    change(own, edit)
    with pytest.raises(SchemaError, match=re.escape(where)) as caught:
        comparison_report(own.parent)
    assert str(own) in str(caught.value)


def paths_of(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Yield where the values are; of lists and long objects, the first and the last."""
    if path:
        yield path
    if isinstance(value, dict):
        names = [*value] if len(value) < 12 else [*value][:2]
        for name in names:
            yield from paths_of(value[name], (*path, name))
    elif isinstance(value, list):
        for number in {0, len(value) - 1} if value else ():
            yield from paths_of(value[number], (*path, number))


WRONG: tuple[Any, ...] = (
    *(None, "", "x" * 20_000, "\x1b[2J<b>", True, -1, 0, 1.5, 10**400, 1e308),
    *(float("nan"), float("inf"), [], {}, [None], [[[]]], [0.5, "x"], {"a": 1}),
)


def test_any_damaged_value_is_an_error_that_names_the_file_or_changes_nothing(
    own: Path, few: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(protocols, "drawings_of", lambda *_: {})
    content = json.loads(few.read_text())
    draw = random.Random(0)
    n_errors = 0
    paths = [*paths_of(content)]
    assert len(paths) > 150
    for path in paths:
        damaged = copy.deepcopy(content)
        holder: Any = damaged
        for part in path[:-1]:
            holder = holder[part]
        choice = draw.choice((*WRONG, "delete", "delete"))
        if choice == "delete":
            del holder[path[-1]]
        else:
            holder[path[-1]] = choice
        own.write_text(json.dumps(damaged))
        message = None
        try:
            page.html(comparison_report(own.parent))
        except SchemaError as error:
            message = str(error)
        if message is not None:
            n_errors += 1
            assert str(own) in message
            assert "\n" not in message
            assert len(message) < 3000
    assert n_errors > 0.8 * len(paths)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"[1, 2",
        b"\xff\xfe",
        b"[" * 100_000,
        b'{"format": ' + b"1" * 5000 + b"}",
        b'{"format": NaN}',
        b"[]",
        b"null",
        b'{"format": "ecgstore model", "version": 1}',
        b'{"format": "ecgstore comparison", "version": 2}',
        b'{"format": "ecgstore comparison", "version": true}',
    ],
)
def test_what_is_no_comparison_is_an_error_that_names_the_file(
    own: Path, content: bytes
) -> None:
    own.write_bytes(content)
    with pytest.raises(SchemaError, match=re.escape(str(own))):
        comparison_report(own.parent)


def test_a_file_that_is_too_large_or_none_is_not_read(
    own: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(json_files, "MOST_BYTES", 1000)
    with pytest.raises(SchemaError, match="expected at most 1,000 in all"):
        comparison_report(own.parent)
    n_bytes = own.stat().st_size
    monkeypatch.setattr(json_files, "MOST_BYTES", n_bytes)
    read_comparison(own.parent)
    own.with_name("sources.json").write_text("{}")
    with pytest.raises(SchemaError, match=r"sources\.json: has 2 bytes"):
        read_comparison(own.parent)
    own.with_name("sources.json").unlink()
    own.unlink()
    os.mkfifo(own)
    with pytest.raises(SchemaError, match="pipe"):
        comparison_report(own.parent)


def test_each_record_in_a_fold_or_a_source_of_its_own_is_an_error(
    own: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = json.loads(own.read_text())
    for name in ("fold", "source"):
        changed = copy.deepcopy(content)
        row = changed["records"][0]
        changed["records"] = [
            {**row, "record_id": str(number), name: str(number)}
            for number in range(1001)
        ]
        own.write_text(json.dumps(changed))
        with pytest.raises(SchemaError, match=f"1,001 {name}s; expected at most 1,000"):
            read_comparison(own.parent)
    own.write_text(json.dumps(content))
    monkeypatch.setattr(stored, "_MOST_TRAINING", 2 * len(content["records"]))
    with pytest.raises(SchemaError, match="records in all folds"):
        read_comparison(own.parent)


def test_files_of_different_stores_are_an_error(own: Path) -> None:
    other = own.with_name("sources.json")
    shutil.copy(own, other)
    change(other, lambda c: c.update(protocol="sources"))
    change(own, lambda c: c["store"].update(fingerprint="0" * 64))
    with pytest.raises(SchemaError, match="another store"):
        comparison_report(own.parent)


def test_another_store_is_refused(own: Path, store: Store) -> None:
    change(own, lambda c: c["store"].update(fingerprint="0" * 64))
    with pytest.raises(EcgStoreError, match="fingerprint"):
        comparison_report(own.parent, store)


def test_records_of_the_store_of_the_fingerprint_must_be_those_of_the_file(
    own: Path, store: Store
) -> None:
    change(own, lambda c: c["records"][0].update(record_id="nobody"))
    with pytest.raises(SchemaError, match="records or labels"):
        comparison_report(own.parent, store)


class Tags(HTMLParser):
    """Collects the elements of a page and their attributes."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))


HOSTILE = (
    "<script>alert(1)</script><img src=x onerror=alert(1)>\x1b[2J\u202e$x^{\"'&amp;"
)


def test_hostile_names_are_only_text(own: Path) -> None:
    def edit(content: Json) -> None:
        content["classes"][0] = HOSTILE
        content["store"]["name"] = HOSTILE
        content["software"][HOSTILE] = HOSTILE
        content["settings"]["model"]["model"] = HOSTILE
        for number, record in enumerate(content["records"]):
            record["source"] += HOSTILE
            record["record_id"] = f"{HOSTILE}{number}"

    change(own, edit)
    text = page.html(comparison_report(own.parent))
    tags = Tags()
    tags.feed(text)
    assert not {tag for tag, _ in tags.found} & {"script", "img", "iframe", "object"}
    assert not any(
        name.startswith("on") or (value or "").startswith("javascript:")
        for _, attributes in tags.found
        for name, value in attributes.items()
    )
    assert "\x1b" not in text
    assert "\u202e" not in text
    assert "&lt;script&gt;" in text


def test_figures_and_tables_are_named(html: str) -> None:
    tags = Tags()
    tags.feed(html)
    n_tables = sum(tag == "table" for tag, _ in tags.found)
    assert n_tables == sum(tag == "caption" for tag, _ in tags.found) > 20
    images = [attributes for tag, attributes in tags.found if tag == "svg"]
    assert len(images) > 20
    assert all(attributes.get("role") == "img" for attributes in images)
    assert html.count("<desc>") == len(images)


def test_a_comparison_is_reported_without_pytorch(few: Path) -> None:
    code = (
        "import sys; sys.modules['torch'] = None\n"
        "from pathlib import Path\n"
        "from ecgstore.reports import comparison, protocols\n"
        "protocols.drawings_of = lambda *_: {}\n"
        "print(comparison.comparison_report(Path(sys.argv[1])).title)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(few.parent)], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert "Comparison" in done.stdout
