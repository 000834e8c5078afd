"""What runs in the peers' own environment, .venv-peers; it imports nothing of ours."""
