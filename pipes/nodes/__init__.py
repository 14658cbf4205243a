"""The torchdata nodes of a pipe, one file each."""
