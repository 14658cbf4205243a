"""Features of several leads together."""
