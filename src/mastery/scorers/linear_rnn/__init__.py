"""A linear recurrent model."""
