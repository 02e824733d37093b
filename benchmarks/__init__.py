"""Benchmarks: Kokoa against floors that are measured in the same run. `make bench`, `make soak`."""
