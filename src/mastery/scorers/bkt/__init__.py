"""Bayesian Knowledge Tracing."""
