"""How long reports take, and how large they are."""
