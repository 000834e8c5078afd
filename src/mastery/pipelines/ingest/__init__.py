"""Files and rows into events in the lake."""
