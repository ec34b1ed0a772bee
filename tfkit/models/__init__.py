"""Families of encoders, what they share, and the automatic classes."""
