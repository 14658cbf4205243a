"""Reading rows of a store into batches."""
