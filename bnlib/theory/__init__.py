"""What is true of every network: costs, certificates, kernels, spectra and invariance."""
