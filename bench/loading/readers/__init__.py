"""Loaders that need nothing but the dependencies of this project."""
