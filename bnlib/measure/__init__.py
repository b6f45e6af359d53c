"""Somebody's own network: reading it, and what to say of it."""
