"""Files, processes and progress: one way each to do what every part needs."""
