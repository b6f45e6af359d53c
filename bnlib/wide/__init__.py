"""Infinitely wide networks and closed forms."""
