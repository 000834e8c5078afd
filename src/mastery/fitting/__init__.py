"""Parameters found in data: one module a scorer. What it finds is what `mastery.scorers` holds and folds with."""
