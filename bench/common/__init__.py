"""Command lines, timing, tables, reports and memory: shared by all benchmarks."""
