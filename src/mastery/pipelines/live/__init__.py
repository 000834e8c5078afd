"""Rows that come in one batch after another: into the lake, and at once into the records of their students."""
