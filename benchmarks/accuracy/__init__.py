"""How well answers are predicted on public data, split as others split it: `python -m benchmarks.accuracy`."""
