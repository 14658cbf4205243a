"""Trained networks as files for programs without ecgstore, and without Python."""
