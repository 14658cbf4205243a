"""Measuring, records and memory: shared by all benchmarks."""
