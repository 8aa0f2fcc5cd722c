"""Sharing weights: few distinct values a layer, that a codebook holds."""
