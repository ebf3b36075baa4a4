"""Command line, simulated amplifier, recordings and their formats, scoring, benchmarks."""
