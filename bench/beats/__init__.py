"""Accuracy and speed of beat detection, delineation and features."""
