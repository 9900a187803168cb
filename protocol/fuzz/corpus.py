#!/usr/bin/env python3
"""Writes the golden vectors as the fuzzer's first inputs: python3 corpus.py, then cargo +nightly fuzz run requests."""
import json
import pathlib

here = pathlib.Path(__file__).resolve().parent
corpus = here / "corpus" / "requests"
corpus.mkdir(parents=True, exist_ok=True)
for path in sorted((here.parent / "vectors").glob("*.json")):
    document = json.loads(path.read_text())
    if not isinstance(document, dict) or "frame" not in document:
        continue
    for index, vector in enumerate(document["vectors"]):
        (corpus / f"{path.stem}-{index}").write_bytes(bytes.fromhex(vector["hex"]))
