"""The fold over a lake: recompute, published rows, records, and what keeps them up to date."""
