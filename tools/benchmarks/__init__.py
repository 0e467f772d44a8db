"""Benchmarks; `tools/bench` runs them."""
