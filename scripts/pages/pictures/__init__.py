"""The drawn picture at the head of each chapter: one module for each part of the book."""
