"""Rewriting layers into fewer that compute the same."""
