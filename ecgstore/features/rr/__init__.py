"""Features of the RR intervals."""
