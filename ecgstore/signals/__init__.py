"""Preprocessing of signals for a store, and signal quality."""
