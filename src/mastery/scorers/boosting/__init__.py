"""Boosted trees (score source `ml`)."""
