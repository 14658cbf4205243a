"""Evidence of the network in cells, and the spans of the input in which leads count."""

import numpy as np
import pytest

from ecgstore.beats.unet import evidence
from ecgstore.beats.unet._network_kernels import STEP
from ecgstore.beats.unet.evidence import OVERLAP, PART, evidence_of, weights
from ecgstore.beats.unet.inputs import NetworkInput

N_LEADS = 3


def record_of(n_samples: int) -> NetworkInput:
    """Return noise whose leads are usable in some spans."""
    rng = np.random.default_rng(n_samples)
    n_spans = -(-n_samples // STEP)
    x = rng.normal(size=(N_LEADS, n_samples)).astype(np.float32)
    usable = rng.random((N_LEADS, n_spans)) < 0.5
    return NetworkInput(np.arange(N_LEADS), x.astype(np.float64), x, usable)


@pytest.mark.parametrize("n_samples", [64, 250, 1007])
def test_a_cell_is_usable_where_its_span_is(n_samples: int) -> None:
    record = record_of(n_samples)
    found = evidence_of(record, weights())
    samples = 2 * np.arange(n_samples // 2)  # the first of each cell
    np.testing.assert_array_equal(found.usable, record.usable[:, samples // STEP])
    assert found.probabilities.shape[2] == len(samples)


def test_parts_of_a_long_record_are_those_of_one_pass(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Also where leads are silent: each part gets the spans of its own time."""
    record = record_of(2 * PART - OVERLAP + 999)
    in_parts = evidence_of(record, weights()).probabilities
    monkeypatch.setattr(evidence, "PART", 4 * PART)
    at_once = evidence_of(record, weights()).probabilities
    np.testing.assert_allclose(in_parts, at_once, rtol=0, atol=1e-5)
