"""An ONNX graph and its rewrites; no torch."""
