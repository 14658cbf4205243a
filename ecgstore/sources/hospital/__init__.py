"""Records as electrocardiographs and hospitals store them, read by field libraries.

Names and birth dates are read for the age at most, and are neither kept nor shown.
"""
