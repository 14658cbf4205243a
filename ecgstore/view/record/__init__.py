"""What the page shows of one record: plain values, read from a store."""
