"""The dashboard: a page for people, and a client of the API like any other. It opens no store itself."""
