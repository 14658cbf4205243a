"""Collect pipes/ and models/ once, and let processes that share the cores not compete."""

import os

# Through their import names ecgstore.*.
collect_ignore = ["pipes", "models"]

if "PYTEST_XDIST_WORKER" in os.environ:
    # Test processes run side by side, one for each core. Further threads of OpenMP in
    # each of them (scikit-learn, PyTorch) would only wait for one another. Libraries
    # read the variable when they are loaded; tests that need threads ask for them.
    os.environ.setdefault("OMP_NUM_THREADS", "1")
