"""Scorers as estimators: settings in the constructor, `fit`, `predict`, one answer at a time. See docs/python.md."""
