"""What moves rows: from files into the lake, from the lake into states and scores. Arrow in, Arrow out."""
