"""How fast the kernels and the networks are: parity first, then time and memory."""

# Set before torch and numba are imported, so that all variants use the same number of threads.
THREAD_VARIABLES = (
    "NUMBA_NUM_THREADS",
    "OMP_NUM_THREADS",
    "MKL_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
)
