"""Writes `tfkit/export/serving/server_ops.json`: which TensorFlow first has each op of the audit.

    python tools/make_server_ops.py WHEELS            # writes the table
    python tools/make_server_ops.py WHEELS --check    # exits 1 if the table in the repo differs

WHEELS is a folder of `tensorflow_cpu-2.*.whl`, one a minor version, for x86-64 Linux. pip gets
them whatever Python runs it; up to 2.11 take the wheels for Python 3.9, whose library still holds
the C interface and loads in any Python:

    pip download tensorflow-cpu==2.11.* --no-deps --dest WHEELS --only-binary=:all: \
        --python-version 3.9 --platform manylinux2014_x86_64    # … and so on, 2.12 on for 3.11

The facts are read off each wheel's C library, without its Python: the ops and their attributes
with `TF_GetAllOpList`, the kernels with `TF_GetAllRegisteredKernels`. TF Serving of a version is
built on the TensorFlow of that version.
"""

from __future__ import annotations

import argparse
import ctypes
import json
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
TABLE = ROOT / "tfkit" / "export" / "serving" / "server_ops.json"
FRAMEWORK = "tensorflow/libtensorflow_framework.so.2"
# The C interface is in the first of these that a wheel has.
LIBRARIES = (
    "tensorflow/libtensorflow_cc.so.2",
    "tensorflow/python/_pywrap_tensorflow_internal.so",
)


class Buffer(ctypes.Structure):
    """`TF_Buffer`."""

    _fields_ = (("data", ctypes.c_void_p), ("length", ctypes.c_size_t), ("free", ctypes.c_void_p))


def dump(framework: str, library: str, folder: str) -> None:
    """In a process of its own: writes the two lists of a library as serialised messages."""
    ctypes.CDLL(framework, mode=ctypes.RTLD_GLOBAL)
    c = ctypes.CDLL(library, mode=ctypes.RTLD_GLOBAL)
    c.TF_NewStatus.restype = ctypes.c_void_p
    c.TF_GetAllOpList.restype = ctypes.POINTER(Buffer)
    c.TF_GetAllRegisteredKernels.restype = ctypes.POINTER(Buffer)
    c.TF_GetAllRegisteredKernels.argtypes = [ctypes.c_void_p]
    lists = {
        "ops": c.TF_GetAllOpList(),
        "kernels": c.TF_GetAllRegisteredKernels(c.TF_NewStatus()),
    }
    for name, buffer in lists.items():
        content = ctypes.string_at(buffer.contents.data, buffer.contents.length)
        Path(folder, name).write_bytes(content)


def registry(wheel: Path) -> tuple[dict, list]:
    """Op name -> its definition, and the CPU kernels, of a wheel."""
    from tensorflow.core.framework import kernel_def_pb2, op_def_pb2

    with tempfile.TemporaryDirectory() as folder, zipfile.ZipFile(wheel) as content:
        library = next(name for name in LIBRARIES if name in content.namelist())
        paths = [content.extract(name, folder) for name in (FRAMEWORK, library)]
        command = [sys.executable, "-I", __file__, "--dump", *paths, folder]
        subprocess.run(command, check=True, stderr=subprocess.DEVNULL)
        ops = op_def_pb2.OpList.FromString(Path(folder, "ops").read_bytes()).op
        kernels = kernel_def_pb2.KernelList.FromString(Path(folder, "kernels").read_bytes()).kernel
    return {op.name: op for op in ops}, [k for k in kernels if k.device_type == "CPU"]


def minor(wheel: Path) -> tuple[int, int]:
    """The version of a wheel, such as (2, 12)."""
    return tuple(int(number) for number in wheel.name.split("-")[1].split(".")[:2])


def bfloat16_ops(kernels) -> set[str]:
    """Ops with a kernel that takes bfloat16."""
    from tensorflow.core.framework import types_pb2

    return {
        kernel.op
        for kernel in kernels
        if not kernel.constraint
        or any(types_pb2.DT_BFLOAT16 in c.allowed_values.list.type for c in kernel.constraint)
    }


def table(wheels: list[Path], names: set[str]) -> dict:
    """What the JSON file holds."""
    first, attributes, bfloat16 = {}, {}, {}
    for wheel in wheels:
        version = "{}.{}".format(*minor(wheel))
        ops, kernels = registry(wheel)
        print(f"{version}: {len(ops)} ops, {len(kernels)} CPU kernels", file=sys.stderr)
        for name in names & ops.keys():
            known = name in first
            first.setdefault(name, version)
            late = attributes.setdefault(name, {})
            for attribute in ops[name].attr:
                late.setdefault(attribute.name, None if not known else version)
        for name in names & bfloat16_ops(kernels):
            bfloat16.setdefault(name, version)
    return {
        "looked_at": ["{}.{}".format(*minor(wheel)) for wheel in wheels],
        "ops": dict(sorted(first.items())),
        "attributes": {
            name: found
            for name, late in sorted(attributes.items())
            if (found := {key: version for key, version in sorted(late.items()) if version})
        },
        "bfloat16": {k: v for k, v in sorted(bfloat16.items()) if v != first[k]},
    }


def main() -> None:
    if sys.argv[1:2] == ["--dump"]:
        return dump(*sys.argv[2:])
    sys.path.insert(0, str(ROOT))
    from tfkit.export.serving.server_ops import ALLOWED, TEXT_OPS

    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("wheels", type=Path)
    parser.add_argument("--check", action="store_true")
    options = parser.parse_args()
    wheels = sorted(options.wheels.glob("tensorflow_cpu-*.whl"), key=minor)
    if not wheels:
        parser.error(f"no tensorflow_cpu-*.whl in '{options.wheels}'")
    made = table(wheels, set(ALLOWED - TEXT_OPS.keys()))
    content = json.dumps(made, indent=1) + "\n"
    if options.check:
        sys.exit(0 if TABLE.read_text() == content else f"{TABLE.name} differs")
    TABLE.write_text(content)
    missing = sorted(ALLOWED - TEXT_OPS.keys() - made["ops"].keys())
    print(f"{len(made['ops'])} ops" + f"; in no wheel: {missing}" * bool(missing))


if __name__ == "__main__":
    main()
