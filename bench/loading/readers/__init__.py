"""Loaders that need only the dependencies of ecgstore."""
