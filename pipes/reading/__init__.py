"""Reading the records of a store into batches."""
