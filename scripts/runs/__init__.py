"""Long runs whose results are stored."""
