"""What worker processes find in their environment, beside what this process does."""

# glibc hands large blocks back to the system after every step unless told to keep them: 1.3 to
# 1.8 times the speed on long recurrences. One thread a process: two processes are worth more.
WORKER_ENVIRONMENT = {
    "MALLOC_MMAP_THRESHOLD_": str(2**30),
    "MALLOC_TRIM_THRESHOLD_": str(2**31 - 1),
    "MALLOC_TOP_PAD_": str(2**28),
    "OMP_NUM_THREADS": "1",
    # Python cleans up after a killed worker, and need not say so.
    "PYTHONWARNINGS": "ignore:resource_tracker:UserWarning",
}
