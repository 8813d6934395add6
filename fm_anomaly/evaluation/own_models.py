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

from fm_anomaly.core import taxonomy_training
from fm_anomaly.core.categories import fit
from fm_anomaly.core.category_values import CategoriesParams
from fm_anomaly.core.error_collection import ErrorCollector
from fm_anomaly.core.parsing import ParsingParams
from fm_anomaly.core.sources import Source, SourceName
from fm_anomaly.core.taxonomy import ErrorKind, Taxonomy, by_rules
from fm_anomaly.ingest.files import find_sources


def texts() -> list[tuple[str, ErrorKind]]:
    """Return the labelled texts that the taxonomy is trained on, classes in turn, so that folds hold all of them."""
    blocks = files("fm_anomaly.evaluation").joinpath("taxonomy_texts.txt").read_text("utf-8").split("\n=== ")[1:]
    rows = []
    for block in blocks:
        kind, *lines = block.strip().split("\n")
        rows += [(at, line, ErrorKind(kind)) for at, line in enumerate(lines)]
    return [(line, kind) for _, line, kind in sorted(rows, key=lambda each: (each[0], each[2], each[1]))]


def taxonomy() -> tuple[Taxonomy, dict[str, Any]]:
    """Return the trained taxonomy and how well it does on texts held out."""
    rows = texts()
    held_out = [row for at, row in enumerate(rows) if at % 5 == 0]
    rest = [row for at, row in enumerate(rows) if at % 5]
    part = taxonomy_training.fit([line for line, _ in rest], [kind for _, kind in rest])
    found = part.probabilities([line for line, _ in held_out])
    right = [part.kinds[int(row.argmax())] == kind for row, (_, kind) in zip(found, held_out, strict=True)]
    by_rule = [by_rules(line) for line, _ in rows]
    metrics = {
        "texts": len(rows),
        "held_out_accuracy": round(sum(right) / len(right), 3),
        "held_out_mean_probability": round(float(found.max(axis=1).mean()), 3),
        "decided_by_rule": sum(each is not None for each in by_rule),
    }
    whole = taxonomy_training.fit([line for line, _ in rows], [kind for _, kind in rows])
    return whole, metrics


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
