"""Features of the waves of each lead."""
