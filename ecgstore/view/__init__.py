"""``ecgstore view``: look at the records of a store in a browser on this machine."""
