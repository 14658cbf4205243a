"""Accuracy and speed of beats, waves and features."""
