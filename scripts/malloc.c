/* Runs before main: how glibc's allocator is to behave. It learns from the first large buffer that is freed to keep such
 * buffers, up to 64 MB in each of many arenas: one wave of large requests or pages left 250 MB behind for good. A threshold
 * that is set is not learned; buffers of a megabyte then go back to the system when they are freed, and smaller ones are kept
 * as before. Whoever sets GLIBC_TUNABLES for himself is not interfered with. */
#include <malloc.h>
#include <stdlib.h>

__attribute__((constructor)) static void give_memory_back(void)
{
    if (!getenv("GLIBC_TUNABLES"))
        mallopt(M_MMAP_THRESHOLD, 1 << 20);
}
