"""Networks that are made by hand: compositions, sums, deeper and balanced ones, interpolants."""
