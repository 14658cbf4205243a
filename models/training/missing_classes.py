"""Classes that a training cannot learn, or that its validation cannot score."""

import numpy as np

from ecgstore.storage import Selection


def class_warnings(training: Selection, validation: Selection) -> list[str]:
    """Return a sentence for each reason why classes are left out of a training.

    Examples
    --------
    >>> class_warnings(training, validation)  # doctest: +SKIP
    ['no validation record has AF: the validation macro AUROC is over 6 of 7 classes']
    """
    names = np.array(training.store.label_names)
    in_training = training.store.labels(rows=training.rows) > 0
    in_validation = validation.store.labels(rows=validation.rows) > 0
    absent = ~in_training.any(axis=0)
    never, always = ~in_validation.any(axis=0), in_validation.all(axis=0)
    n_scored = int((~(never | always)).sum())
    warnings = []
    if absent.any():
        warnings.append(
            f"no training record has {', '.join(names[absent])}: the model cannot "
            "learn this"
        )
    for chosen, text in ((never, "no"), (always, "every")):
        if chosen.any() and len(validation):
            warnings.append(
                f"{text} validation record has {', '.join(names[chosen])}: the "
                + (
                    f"validation macro AUROC is over {n_scored} of {len(names)} classes"
                    if n_scored
                    else "validation macro AUROC is undefined, and the epoch with the "
                    "lowest validation loss is kept"
                )
            )
    return warnings
