"""Functions of a batch: augmentation, standardisation, decimation."""
