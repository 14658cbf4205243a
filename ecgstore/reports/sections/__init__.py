"""The sections of a data set card."""
