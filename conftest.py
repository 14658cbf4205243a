"""Collect pipes/ and models/ once, through their import names ecgstore.*."""

collect_ignore = ["pipes", "models"]
