"""Simulated schools as files and as events."""
