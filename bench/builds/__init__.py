"""Speed and memory of a build and its steps."""
