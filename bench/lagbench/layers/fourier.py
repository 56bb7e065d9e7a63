"""Convolution with a kernel as long as the sequence, by the fast Fourier transform."""

import torch
from torch import Tensor


def convolve(x: Tensor, kernel: Tensor) -> Tensor:
    """`y_t = Σ_{s≤t} k_{t-s} x_s` in each channel: `(B, T, D)` with `(D, T)` -> `(B, T, D)`.

    Time is padded with zeros to a power of 2 that is at least twice as long, so that the end does
    not come round to the beginning.
    """
    T = x.shape[1]
    size = 2 << (T - 1).bit_length()
    spectrum = torch.fft.rfft(x, size, dim=1) * torch.fft.rfft(kernel, size, dim=1).mT
    y: Tensor = torch.fft.irfft(spectrum, size, dim=1)
    return y[:, :T]
