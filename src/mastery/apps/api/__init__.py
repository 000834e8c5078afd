"""The API: scores over HTTP. See docs/api.md."""
