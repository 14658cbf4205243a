"""Speed and memory of builds, readers, filters and features."""
