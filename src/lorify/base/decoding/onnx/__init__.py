"""Decoding by ONNX Runtime, on CPUs whose fastest dtype is float32 and for bases with quantized weights."""
