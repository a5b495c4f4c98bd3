"""Puts every .onnx file of a folder before the standard's own checker, and runs those that have inputs with the standard's reference implementation.

check_onnx.py FOLDER reads NAME.onnx and, where it exists, NAME.inputs.json ({ name: { "dtype", "shape", "values" } }), and writes results.json:
{ NAME: { "error": null or a text, "outputs": { name: { "shape", "values" } } } }.
"""

import json
import pathlib
import sys

import numpy as np
import onnx
from onnx.reference import ReferenceEvaluator

folder = pathlib.Path(sys.argv[1])
results = {}
for path in sorted(folder.glob("*.onnx")):
    result = results[path.stem] = {"error": None, "outputs": {}}
    try:
        model = onnx.load(path)
        onnx.checker.check_model(model, full_check=True)
        given = folder / f"{path.stem}.inputs.json"
        if given.exists():
            inputs = {name: np.array(value["values"], dtype=value["dtype"]).reshape(value["shape"]) for name, value in json.loads(given.read_text()).items()}
            names = [output.name for output in model.graph.output]
            for name, value in zip(names, ReferenceEvaluator(model).run(names, inputs)):
                result["outputs"][name] = {"shape": value.shape, "values": value.ravel().astype(float).tolist()}
    except Exception as error:
        result["error"] = str(error)
(folder / "results.json").write_text(json.dumps(results))
