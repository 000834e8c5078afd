"""Student Mastery Score Engine: events in, explained mastery scores out."""

__version__ = "0.1.0"
