"""What to say of a class that is not among those of a store or a model."""

from collections.abc import Collection

from ecgstore.diagnoses.presets import CLASS_SETS, class_set
from ecgstore.diagnoses.snomed import find_code
from ecgstore.similar_names import did_you_mean


def unknown_class_hint(name: object, known: Collection[str]) -> str:
    """Return a hint for an error message, with a space at its end.

    Abbreviations of diagnoses differ by one letter: LBBB is no misspelt RBBB. So a name
    that means something else is never taken for a class that is similar.

    Parameters
    ----------
    name : object
        A name that is not one of `known`.
    known : collection of str
        Names of the classes.

    Returns
    -------
    str
        Which class may be meant, or which class sets have it; empty if nothing is sure.

    Examples
    --------
    >>> hybrid7 = class_set("hybrid7").names
    >>> unknown_class_hint("RBB", hybrid7)
    'did you mean RBBB? '
    >>> unknown_class_hint("atrial fibrillation", hybrid7)
    'did you mean AF? '
    >>> unknown_class_hint("LBBB", hybrid7)
    'the class sets cinc2020 and code15 have it; '
    >>> unknown_class_hint("RAD", hybrid7)
    'the class set cinc2020 has it; '
    """
    if not isinstance(name, str):
        return ""
    if name.casefold() in {label.casefold() for label in known}:
        return did_you_mean(name, known)
    code = find_code(name)
    if code is not None:
        same = [label for label in known if find_code(label) == code]
        if same:
            return f"did you mean {same[0]}? "
    sets = [one for one in CLASS_SETS if _has(one, name)]
    if sets:
        return f"the class set{'s' * (len(sets) > 1)} {_listed(sets)}; "
    # A diagnosis that no class set has: nothing that is known means the same.
    return did_you_mean(name, known) if code is None else ""


def _has(set_name: str, label: str) -> bool:
    """Return whether a built-in class set has a class of this name, in any case."""
    names = class_set(set_name).names
    return label.casefold() in {name.casefold() for name in names}


def _listed(sets: list[str]) -> str:
    """Return names of class sets with the verb of what they have."""
    *others, last = sets
    return f"{', '.join(others)} and {last} have it" if others else f"{last} has it"
