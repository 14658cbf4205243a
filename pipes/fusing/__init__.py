"""Transforms that follow each other, done to a record while it is in the cache."""
