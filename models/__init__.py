"""Extractors, fusion and training, imported as `ecgstore.models`."""
