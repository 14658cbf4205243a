"""Readers of annotated databases, for the training and the judging of detectors."""
