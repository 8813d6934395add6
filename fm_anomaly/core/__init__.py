"""The pure core: no I/O, no wall clock, no threads, no environment. See docs/contracts.md."""
