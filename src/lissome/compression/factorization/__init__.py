"""A layer as a chain of smaller ones, or as a matrix of few numbers."""
