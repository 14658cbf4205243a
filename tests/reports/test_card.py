"""The card for the Hugging Face Hub: YAML that is read back, Markdown that is inert."""

from pathlib import Path
from typing import Any

import pytest
import yaml
from markdown_it import MarkdownIt

from ecgstore.reports.data_set import DataSetCard
from ecgstore.reports.page import Table
from ecgstore.reports.published import Publication
from ecgstore.storage import Store
from ecgstore.system.visible import visible
from tests.reports.conftest import NAMES, made_card


def parts(card: str) -> tuple[dict[str, Any], str]:
    """Return the head and the Markdown of a card."""
    begin, head, markdown = card.split("---\n", 2)
    assert begin == ""
    return yaml.safe_load(head), markdown


def test_the_head_is_what_the_hub_asks_for(store: Store) -> None:
    said = Publication("My: ECGs #1", licence="ODC-By-1.0")
    head, _ = parts(made_card(store, said).markdown)
    assert head["license"] == "odc-by"
    assert head["pretty_name"] == "My: ECGs #1"
    assert head["size_categories"] == ["n<1K"]
    assert head["task_categories"] == ["tabular-classification", "other"]
    assert "ecg" in head["tags"]
    assert "license_name" not in head


def test_a_licence_that_the_hub_does_not_know_is_named(store: Store) -> None:
    head, _ = parts(made_card(store, Publication(licence="Ask us: 'x' # y")).markdown)
    assert (head["license"], head["license_name"]) == ("other", "Ask us: 'x' # y")


def test_without_a_licence_it_is_unknown(sample_card: DataSetCard) -> None:
    assert parts(sample_card.markdown)[0]["license"] == "unknown"


def test_tables_are_those_of_the_report(sample_card: DataSetCard) -> None:
    _, markdown = parts(sample_card.markdown)
    tokens = MarkdownIt("gfm-like", {"linkify": False}).parse(markdown)
    n_tables = [token.type for token in tokens].count("table_open")
    expected = [
        block
        for section in sample_card.report.sections
        for block in section.blocks
        if isinstance(block, Table)
    ]
    assert n_tables == len(expected) > 12
    assert markdown.count("\n|") == sum(len(table.rows) + 2 for table in expected)
    assert "\n\n\n" not in markdown
    assert "ecgstore.open('hf://datasets/USER/NAME/sample.h5')" in markdown


@pytest.mark.parametrize("name", NAMES)
def test_names_from_outside_are_only_texts(hostile_store: Path, name: str) -> None:
    with Store(hostile_store) as store:
        said = Publication(name, name, name, citation=name)
        head, markdown = parts(made_card(store, said).markdown)
    assert head["pretty_name"] == visible(name)
    parser = MarkdownIt("gfm-like", {"linkify": False, "html": True})
    tokens = parser.parse(markdown)
    inner = [child for token in tokens for child in token.children or ()]
    kinds = {token.type for token in [*tokens, *inner]}
    assert kinds.isdisjoint(
        {"html_inline", "html_block", "link_open", "image", "em_open", "strong_open"}
    )
    assert {"code_inline", "s_open"}.isdisjoint(kinds)
    texts = {token.content for token in inner if token.type == "text"}
    together = ["".join(c.content for c in t.children or ()) for t in tokens]
    assert visible(name) in together, texts
    headings = [token for token in tokens if token.type == "heading_open"]
    assert len(headings) == 11


def test_code_ends_where_its_fence_does(store: Store) -> None:
    from ecgstore.reports.data_set import data_set_card

    made = data_set_card(store, Publication(), command="x ```\n# no", quiet=True)
    assert "````\nx ```\n# no\n````" in made.markdown
