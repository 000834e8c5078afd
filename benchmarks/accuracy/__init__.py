"""How well answers are foretold on public data, split as others split it: `python -m benchmarks.accuracy`."""
