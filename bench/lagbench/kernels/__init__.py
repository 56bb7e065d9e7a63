"""Kernels in C++, for the loops and products that PyTorch's operations are too small for."""
