"""Files, processes and progress: one module for each task that all parts share."""
