"""From events to observations, ledger and windows. Pure: Arrow and numpy in, numpy out."""
