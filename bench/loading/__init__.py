"""Throughput, memory and start-up of data loaders, compared with each other."""
