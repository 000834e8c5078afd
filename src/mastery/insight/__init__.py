"""Numbers turned into words that a teacher can act on. Pure: what is known comes in, sentences and tags go out."""
