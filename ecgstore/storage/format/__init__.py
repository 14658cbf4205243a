"""The file format: paths, layout, and integrity."""
