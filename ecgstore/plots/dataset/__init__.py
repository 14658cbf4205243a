"""Plots of a whole data set."""
