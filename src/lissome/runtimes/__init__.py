"""Inference engines, one a file behind one small protocol: the only room that imports an engine."""
