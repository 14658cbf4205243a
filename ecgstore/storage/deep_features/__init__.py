"""Deep features in a file beside a store."""
