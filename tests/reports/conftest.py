"""Stores whose reports are tested."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

import ecgstore
from ecgstore.config import Config
from ecgstore.diagnoses import ClassSet, DiagnosisClass
from ecgstore.record import LEADS
from ecgstore.reports.data_set import DataSetCard, data_set_card
from ecgstore.reports.published import Publication
from ecgstore.storage import Store

HOSTILE = "</script><script>alert('x')</script>"
"""A text that would act in HTML, in JSON inside HTML and in Markdown."""

NAMES = (
    HOSTILE,
    "a|b `c` *d* _e_ [f](javascript:g) ![h](https://i.de/j) <img src=x>",
    "# heading\\",
    "https://a.de www.b.de c@d.de {{ 7 * 7 }} {% raw %}",
    "漢字 \u00e9 &amp; $x^2$",
)


def made_card(store: Store, publication: Publication | None = None) -> DataSetCard:
    """Return the card of a store."""
    return data_set_card(
        store, publication or Publication(), command="ecgstore report a.h5", quiet=True
    )


@pytest.fixture(scope="session")
def hostile_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a store with names, classes, codes and a source that would act."""
    out = tmp_path_factory.mktemp("hostile") / "a<b>&`|.h5"
    classes = ClassSet(
        HOSTILE,
        (
            DiagnosisClass(HOSTILE, NAMES[1], ("<i>one</i>",)),
            DiagnosisClass("$x_1$ | *b*", HOSTILE, ("two`",)),
        ),
    )
    generator = np.random.default_rng(0)
    time = np.arange(2500) / 500
    records = [
        (
            name,
            generator.normal(size=(12, 1)) + np.sin(2 * np.pi * 3 * time)[None, :],
            500.0,
            None,
            {"codes": "<i>one</i>" if number % 2 else "two`", "patient_id": name},
        )
        for number, name in enumerate(NAMES)
    ]
    ecgstore.build_from(
        [(*record[:3], LEADS, record[4]) for record in records],
        out,
        Config(classes=classes, beats="none", duration_s=5.0),
        source="<u>source *x* [y]",
        n_workers=1,
        quiet=True,
    )
    return out


@pytest.fixture(scope="session")
def sample_card(sample_store: Path) -> DataSetCard:
    """Return the card of the sample."""
    with Store(sample_store) as store:
        return made_card(store)


@pytest.fixture
def store(sample_store: Path) -> Iterator[Store]:
    """Return the open store of the sample."""
    with Store(sample_store) as opened:
        yield opened
