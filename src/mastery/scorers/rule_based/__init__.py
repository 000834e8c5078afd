"""A weighted sum of factors that anyone can check."""
