"""Evaluation: samples with truth, labelled benchmarks, replay."""
