"""From a PyTorch module to the files of engines, each proved on real samples before it is handed over."""
