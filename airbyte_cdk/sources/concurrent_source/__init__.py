"""The engine: one loop that reads the partitions of many streams on a pool of workers."""
