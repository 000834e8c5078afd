"""A calibrated blend of the other scorers."""
