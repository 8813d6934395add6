"""Makes the models that come with the package, from texts of our own: `python -m fm_anomaly.evaluation.own_models DIR`.

The same bytes whenever it runs with the same libraries. Writes model.joblib, manifest.json and metrics.json a model,
and prints the hashes that `storage.default_models` pins.
"""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np

from fm_anomaly.core import taxonomy_training
from fm_anomaly.core.categories import fit
from fm_anomaly.core.category_values import CategoriesParams
from fm_anomaly.core.error_collection import ErrorCollector
from fm_anomaly.core.parsing import ParsingParams
from fm_anomaly.core.sources import Source, SourceName
from fm_anomaly.core.taxonomy import MIN_PROBABILITY, ErrorKind, Taxonomy, by_rules
from fm_anomaly.ingest.files import find_sources


def texts(name: str = "taxonomy_texts.txt", between: str = "\n") -> list[tuple[str, ErrorKind]]:
    """Return the labelled texts of one of our files, in its order; those of a class are parted by `between`."""
    blocks = files("fm_anomaly.evaluation").joinpath(name).read_text("utf-8").split("\n=== ")[1:]
    rows = []
    for block in blocks:
        kind, _, rest = block.strip().partition("\n")
        told = rest.split("\n") if between == "\n" else " ".join(rest.split()).split(between)
        rows += [(each.strip(), ErrorKind(kind)) for each in told if each.strip()]
    return rows


def taxonomy() -> tuple[Taxonomy, dict[str, Any]]:
    """Return the trained taxonomy and how well it does on texts that nothing was trained or calibrated on."""
    phrases, calibration = texts("taxonomy_phrases.txt", ";"), texts()
    held_out = texts("taxonomy_held_out.txt")
    classes = taxonomy_training.fit(phrases, calibration)
    found = classes.probabilities([line for line, _ in held_out])
    best, sure = found.argmax(axis=1), found.max(axis=1) >= MIN_PROBABILITY
    right = np.asarray([classes.kinds[at] == kind for at, (_, kind) in zip(best.tolist(), held_out, strict=True)])
    metrics = {
        "phrases": len(phrases),
        "calibrated_on": len(calibration),
        "held_out": len(held_out),
        "held_out_accuracy": round(float(right.mean()), 3),
        "held_out_mean_probability": round(float(found.max(axis=1).mean()), 3),
        "held_out_told": int(sure.sum()),
        "held_out_told_accuracy": round(float(right[sure].mean()), 3),
        "held_out_decided_by_rule": sum(by_rules(line) is not None for line, _ in held_out),
    }
    return classes, metrics


def categories(sample: Path, classes: Taxonomy) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the state and the metrics of the categories of the bundled sample's errors."""
    collector = ErrorCollector()
    for found in find_sources([str(each) for each in sorted(sample.glob("*.log.gz"))]):
        source = Source(SourceName(found.name, found.service), ParsingParams(), 0)
        for data in found.chunks():
            collector.observe(source.feed(data))
        collector.observe(source.flush())
    model = fit(collector.errors(), CategoriesParams(min_count=2), taxonomy=classes)
    return model.to_state(), dict(model.metrics)


def main(folder: Path, sample: Path) -> None:
    """Write both models under `folder` and print their hashes."""
    classes, told = taxonomy()
    state, metrics = categories(sample, classes)
    for name, each, figures in (
        ("error-categories", state, metrics),
        ("error-taxonomy", classes.to_state(), told),
    ):
        print(f'    "{name}": "{write(folder / name, name, each, figures)}",')  # noqa: T201 - the program's output


def write(folder: Path, name: str, state: Mapping[str, Any], metrics: Mapping[str, Any]) -> str:
    """Write one model's three files; return the SHA-256 of model.joblib."""
    import joblib

    folder.mkdir(parents=True, exist_ok=True)
    joblib.dump(dict(state), folder / "model.joblib", compress=0)
    data = (folder / "model.joblib").read_bytes()
    digest = hashlib.sha256(data).hexdigest()
    manifest = {
        "schema": "fm-anomaly/model/1", "format": 1, "name": name, "version": "0001", "kind": name,
        "file": "model.joblib", "sha256": digest, "size_bytes": len(data), "params": {}, "metrics": dict(metrics),
        "fitted_on": {"texts": "our own"}, "libraries": {}, "hmac": "",
    }  # fmt: skip
    for file, plain in (("manifest.json", manifest), ("metrics.json", dict(metrics))):
        (folder / file).write_text(json.dumps(plain, indent=2, sort_keys=True) + "\n", encoding="utf-8", newline="\n")
    return digest


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
