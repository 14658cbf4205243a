"""Spectral features, and those of fibrillatory waves."""
