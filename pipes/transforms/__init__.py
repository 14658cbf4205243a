"""Functions from a batch to a batch: augmentation, standardisation, decimation."""
