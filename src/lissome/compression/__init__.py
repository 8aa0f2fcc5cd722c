"""Steps that make a network smaller or faster; the methods never import each other."""
