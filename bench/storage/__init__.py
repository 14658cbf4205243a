"""Time and memory of a store's tables, whatever the number of records."""
