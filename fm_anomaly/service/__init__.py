"""The running thing: batches written ahead, one Pipeline a tenant behind them, results to the store.

`Intake` is what routes and listeners call; `Service` implements it. This room sees the core, storage and the
decoders' values; it must not know HTTP.
"""

from __future__ import annotations

from fm_anomaly.service.intake import Intake, Receipt
from fm_anomaly.service.running import Service, ServiceParams

__all__ = ["Intake", "Receipt", "Service", "ServiceParams"]
