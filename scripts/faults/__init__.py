"""Faults that are planted to test the tests."""
