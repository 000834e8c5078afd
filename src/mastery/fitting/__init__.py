"""What scorers share in fitting: the order they are fitted in, held-out students, forgetting, intervals."""
