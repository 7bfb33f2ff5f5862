"""Decoding by loops that Numba compiles, on CPUs without bfloat16 and for bases with quantized weights."""
