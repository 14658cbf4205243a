"""From a record as it is read to a record as it is stored: preprocessing, quality."""
