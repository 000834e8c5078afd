"""What predictions are worth: measures, intervals over students, calibration. Numbers in, numbers out."""
