"""Plots of a store and of all its records."""
