"""Operations, each with its plain form in PyTorch and, where it is faster, a form in C++."""
