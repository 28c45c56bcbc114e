"""Face networks: their ONNX graphs, built from installed weights, and the sessions that run them."""
