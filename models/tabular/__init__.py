"""Classifiers on tables of features."""
