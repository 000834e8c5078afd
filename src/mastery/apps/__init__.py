"""Doors: the command line, the API, the dashboard. Thin: settings, connect, pipeline, show."""
