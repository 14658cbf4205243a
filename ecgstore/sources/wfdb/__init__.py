"""Records in WFDB form, as PhysioNet and the Challenges publish them."""
