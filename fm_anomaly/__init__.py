"""fm_anomaly tells what is going wrong from logs."""

__version__ = "0.1.0"
