"""What the engine's benchmarks share: workloads, contestants, processes, statistics, tables and pictures."""
