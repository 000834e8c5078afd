"""What every door shows: documents on a student, a class, a history, items."""
