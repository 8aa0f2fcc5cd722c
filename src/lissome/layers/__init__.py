"""The blocks networks are made of, one a file, each with its formula and its cost."""
