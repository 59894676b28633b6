"""Benchmarks: us and peers in one run, as ratios. `make bench`; method in docs/performance.md."""
