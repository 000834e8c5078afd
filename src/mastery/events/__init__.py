"""The canonical event: what source tables hold, how their rows become events, and who an event is."""
