"""Run NumPy's linear algebra in one thread; import this before NumPy.

An export multiplies and factors many small matrices, for which OpenBLAS's threads cost more than they do: with two of
them on two busy cores, the factors of 24 matrices of 128 x 128 took 600 ms of CPU time instead of 13.
"""

import os

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
