"""Faults of the library, a file for each of its rooms; a row is (id, module, summary, old, new, file of tests, -k).

Faults in scales, thresholds, order and defaults stand at the end of each file: they change nothing for data of size one
that meet no threshold, of which tests are made unless one thinks of it.
"""
