"""Fitted model sets: fit, tune, store, cards, activation, comparison."""
