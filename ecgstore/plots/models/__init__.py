"""Plots of trainings, predictions and comparisons."""
