"""Columns that were perhaps meant to be read: their names are like those that are."""

from collections.abc import Iterable, Sequence
from itertools import islice
from typing import Final

from ecgstore.config import Config
from ecgstore.errors import ConfigError, counted, short_list, short_repr
from ecgstore.label_tables.keys import KEYS
from ecgstore.label_tables.layout import CODES, PATIENTS, SEXES, Layout
from ecgstore.label_tables.table import LabelTable
from ecgstore.similar_names import did_you_mean

_MOST_COMPARED: Final = 1000
"""Columns that are compared: a table of features may have a million."""

_AS_GOOD_AS_SAME: Final = 0.8
"""Similarity from which on another name is taken for a slip of the pen."""


def doubts_about(
    table: LabelTable, tables: Sequence[LabelTable], config: Config
) -> list[str]:
    """Return what is doubtful about the columns of a table, each as half a sentence.

    Parameters
    ----------
    table : LabelTable
        The table.
    tables : sequence of LabelTable
        All tables of the build: what one lacks another may have.
    config : Config
        Options of the build.
    """
    if table.only_patients:
        return []
    layout = table.layout
    unread = _unread(table)
    doubts = []
    known = _known_names(layout)
    if table.n_given:
        known += _classes_without_column(tables, config)
    similar = {
        name: did_you_mean(name, known, at_least=_AS_GOOD_AS_SAME) for name in unread
    }
    if table.n_given:  # a program gives no column for nothing
        shown = [
            f"{short_repr(name)} of {counted(table.n_given[name], 'record')}"
            for name in similar
        ]
    else:
        shown = [short_repr(name) for name, question in similar.items() if question]
    if shown:
        question = next(filter(None, similar.values()), "").strip()
        doubts.append(
            f"nothing is read from {short_list(shown)}"
            + (f"; {question}" if question else "")
        )
    if layout.classes:
        missing = _classes_without_column(tables, config)
        if missing:
            question = _first_similar(missing, unread).strip()
            doubts.append(
                f"no column is about class {short_list(missing)}"
                f"{f'; {question}' if question else ''}: a record without another "
                "label of it counts as negative"
            )
    elif not any(_has_labels(one.layout) for one in tables):
        question = _first_similar(config.classes.names, unread).strip()
        if question and not table.n_given:
            doubts.append(
                f"no column is about a class of {config.classes.name}; {question}"
            )
    return doubts


def require_use(
    files: Iterable[LabelTable], tables: Sequence[LabelTable], config: Config
) -> None:
    """Refuse tables in files that say nothing, or whose labels have other names.

    Parameters
    ----------
    files : iterable of LabelTable
        Tables of ``--labels``.
    tables : sequence of LabelTable
        All tables of the build.
    config : Config
        Options of the build.

    Raises
    ------
    ConfigError
        If nothing is read from a table but the names of its records; if all records are
        selected, and would be negative because no table has a column for a class,
        though the names of some are similar.
    """
    has_labels = any(_has_labels(one.layout) for one in tables)
    for table in files:
        question = _first_similar(
            (*config.classes.names, *_known_names(table.layout)), _unread(table)
        )
        listed = short_list(table.all_columns)
        if not _is_read(table.layout):
            raise ConfigError(
                f"{table.path}: nothing is read from it but the names of records; "
                f"{question}expected a column of codes ({', '.join(CODES[:3])}, ...), "
                f"of a class of {config.classes.name} "
                f"({short_list(config.classes.names)}), patient_id, age or sex; its "
                f"columns are {listed}"
            )
        question = _first_similar(
            config.classes.names, _unread(table), _AS_GOOD_AS_SAME
        )
        if config.select == "all" and not has_labels and question:
            raise ConfigError(
                f"{table.path}: no column is of codes or about a class of "
                f"{config.classes.name} ({short_list(config.classes.names)}), so that "
                f"all records would be negative; {question}its columns are {listed}"
            )


def _is_read(layout: Layout) -> bool:
    """Return whether anything is read from a table but keys and sources."""
    return bool(set(layout.names) - {*layout.keys, layout.source})


def _has_labels(layout: Layout) -> bool:
    """Return whether a table has labels."""
    return bool(layout.codes or layout.classes)


def _unread(table: LabelTable) -> list[str]:
    """Return the columns from which nothing is read, the first ones of very many."""
    read = set(table.layout.names)
    unread = (name for name in table.all_columns if name not in read)
    return [*islice(unread, _MOST_COMPARED)]


def _known_names(layout: Layout) -> list[str]:
    """Return the names of columns that a table could have and lacks."""
    names = [] if layout.keys else [*KEYS]
    if not layout.patient:
        names += PATIENTS
    if not _has_labels(layout):
        names += CODES
    if not layout.age:
        names.append("age")
    if not (layout.sex or layout.is_male):
        names += SEXES
    return names


def _classes_without_column(tables: Sequence[LabelTable], config: Config) -> list[str]:
    """Return the classes about which no table has a column; none if one has codes."""
    if any(table.layout.codes for table in tables):
        return []
    place_of = config.classes.columns
    found = {
        place_of.get(code) for table in tables for code in table.layout.classes.values()
    }
    return [name for at, name in enumerate(config.classes.names) if at not in found]


def _first_similar(
    names: Iterable[str], columns: Sequence[str], at_least: float = 0.6
) -> str:
    """Return a question about the first name that a column is similar to."""
    questions = (did_you_mean(name, columns, at_least=at_least) for name in names)
    return next(filter(None, questions), "")
