"""Loaders of other projects, each run in an environment without ecgstore."""
