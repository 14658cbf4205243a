"""Plots of ECG signals."""
