"""The orders in which the records of a selection are read."""
