"""Choices that only measuring can make: which engine, in which precision, with which options."""
