"""Transforms of a batch, by ecgstore and by others."""
