"""Rows, counts and cells of a store's table, filtered and sorted."""
