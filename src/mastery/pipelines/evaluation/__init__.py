"""How well scorers predict: on files, on a lake, on simulated students."""
