"""Many stores read as one: a small file with their columns, and where they are."""
