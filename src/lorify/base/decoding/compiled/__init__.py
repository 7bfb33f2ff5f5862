"""Decoding with loops compiled by Numba, on CPUs without bfloat16 and for bases with quantized weights."""
