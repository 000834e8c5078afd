"""How fast the engine is, how much memory it takes, and what else does the same work. `python -m benchmarks`."""
