"""Run a SavedModel with TensorFlow's session calls.

They are those of the C++ server: ``Session._make_callable_from_options`` is Session::MakeCallable. Unlike
``Session.run`` it checks no static shapes in Python, costs 20 instead of 110 microseconds a call, releases the GIL and
fails with the C++ texts.
"""

import contextlib
import gc
import os
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from bert_mlm_client.wire import decode_tensor, messages

from deploy.embedded.engines import Array, declared_types
from deploy.embedded.errors import Code, ServingError, invalid

# Clients choose the outputs, so the number of compiled combinations must be bounded.
_MAX_CALLABLES = 64

# A run stays in its caller's thread. TensorFlow's inter-op pool has one thread for each core and is shared by all
# models, so a few runs whose callers have given up would block all others.
_CALLERS_THREAD = -1

_importing = threading.Lock()


class TensorFlowEngine:
    """A SavedModel in its own session."""

    runs_at_once = 2
    """A run does not keep all cores busy all the time: on 2 cores, two in parallel had 10 to 15 % more throughput under
    a mixed load than one, and 33 % more if all batches had one shape."""

    def __init__(
        self,
        folder: Path,
        *,
        tags: Sequence[str] = ("serve",),
        intra_op_threads: int = 0,
        inter_op_threads: int = 0,
        gpu_memory_fraction: float = 0.0,
    ) -> None:
        """Load the MetaGraph with these tags.

        Args:
            folder: the version.
            tags: all tags of the MetaGraph.
            intra_op_threads: threads for one operation; 0 is one for each core.
            inter_op_threads: threads shared by operations that can run in parallel; 0 runs all operations in the
                caller's thread.
            gpu_memory_fraction: the share of each GPU's memory to allocate at once; 0 leaves that to TensorFlow.

        Raises:
            ServingError: the SavedModel is missing or incomplete.
            Exception: another error of TensorFlow; its own exceptions have an ``error_code``.
        """
        tf = _tensorflow()
        self._failures = tf.errors.OpError
        config = tf.compat.v1.ConfigProto(
            intra_op_parallelism_threads=intra_op_threads,
            inter_op_parallelism_threads=inter_op_threads,
            allow_soft_placement=True,
        )
        config.gpu_options.per_process_gpu_memory_fraction = gpu_memory_fraction
        self._inter_op_pool = 0 if inter_op_threads else _CALLERS_THREAD
        self._session = tf.compat.v1.Session(graph=tf.Graph(), config=config)
        with self._session.graph.as_default():
            meta_graph = _load(tf, self._session, tags, folder)
        self.signatures: Mapping[str, messages.SignatureDef] = {
            name: messages.SignatureDef.FromString(signature.SerializeToString())
            for name, signature in meta_graph.signature_def.items()
        }
        self.input_types: Mapping[str, messages.DataType] = {
            name: _type_in_graph(self._session.graph, name, declared)
            for name, declared in declared_types(self.signatures).items()
        }
        self._callable = lru_cache(_MAX_CALLABLES)(self._make_callable)

    def run(self, signature: str, inputs: Mapping[str, Array], outputs: Sequence[str]) -> dict[str, Array]:
        """Run a signature (see ``Engine.run``)."""
        return self.run_several(inputs, {signature: outputs})[signature]

    def run_several(
        self, inputs: Mapping[str, Array], outputs: Mapping[str, Sequence[str]]
    ) -> dict[str, dict[str, Array]]:
        """Run several signatures in one run (see ``Engine.run_several``)."""
        fed: dict[str, Array] = {}  # by graph name, as are the values
        tensors: dict[str, dict[str, str]] = {}
        for signature, names in outputs.items():
            definition = self.signatures[signature]
            for name, info in definition.inputs.items():
                fed[info.name] = inputs[name] if name in inputs else decode_tensor(definition.defaults[name])
            tensors[signature] = {name: definition.outputs[name].name for name in names}
        fetched = tuple(sorted({tensor for chosen in tensors.values() for tensor in chosen.values()}))
        try:
            found = self._callable(tuple(fed), fetched)(*fed.values())
        except self._failures as error:
            raise ServingError(Code(error.error_code), error.message) from error
        except UnicodeDecodeError as error:  # TensorFlow's message quotes bytes of the request, a malformed tf.Example
            raise invalid(error.object.decode(errors="replace")) from error
        values = dict(zip(fetched, map(_as_array, found), strict=True))
        return {
            signature: {name: values[tensor] for name, tensor in chosen.items()}
            for signature, chosen in tensors.items()
        }

    def close(self) -> None:
        """Close the session and free its weights (see ``Engine.close``)."""
        self._callable.cache_clear()  # each callable holds the session
        self._session.close()
        del self._session

    def _make_callable(self, feed: tuple[str, ...], fetch: tuple[str, ...]) -> Callable[..., list[Array]]:
        from tensorflow.core.protobuf.config_pb2 import CallableOptions

        options = CallableOptions(feed=feed, fetch=fetch)
        options.run_options.inter_op_thread_pool = self._inter_op_pool
        call: Callable[..., list[Array]] = self._session._make_callable_from_options(options)  # noqa: SLF001 - see the module
        return call


def _type_in_graph(graph: Any, name: str, declared: messages.DataType) -> messages.DataType:
    """Return a tensor's type in the graph.

    A session checks this type. A handwritten signature may declare another.
    """
    try:
        number: messages.DataType = graph.get_tensor_by_name(name).dtype.base_dtype.as_datatype_enum
    except (KeyError, ValueError):  # not a tensor's name; the run reports it
        return declared
    return number


def _as_array(value: Any) -> Array:
    """Return an output as an array.

    A session returns scalars as ``bytes`` or numpy scalars.
    """
    if isinstance(value, np.ndarray):
        return value
    array = np.empty((), np.object_ if isinstance(value, bytes) else value.dtype)
    array[()] = value
    return array


def _load(tf: Any, session: Any, tags: Sequence[str], folder: Path) -> Any:
    """Load a MetaGraph.

    Convert the errors of Python's loader to those of the C++ loader.

    Raises:
        ServingError: NOT_FOUND, no MetaGraph has these tags, or the values of its variables are missing;
            DATA_LOSS, the SavedModel cannot be parsed (tensorflow/cc/saved_model/reader.cc, core/platform/env.cc).
        Exception: another error of TensorFlow.
    """
    try:
        return tf.compat.v1.saved_model.load(session, list(tags), str(folder))
    except OSError as error:
        binary = (folder / "saved_model.pb").is_file()
        msg = f"Can't parse {folder}/saved_model.{'pb as binary' if binary else 'pbtxt as text'} proto"
        raise ServingError(Code.DATA_LOSS, msg) from error
    except RuntimeError as error:
        if not str(error).startswith("MetaGraphDef associated with tags"):
            raise
        msg = (
            f"Could not find meta graph def matching supplied tags: {{ {' '.join(tags)} }}. To inspect available "
            "tag-sets in the SavedModel, please use the SavedModel CLI: `saved_model_cli`"
        )
        raise ServingError(Code.NOT_FOUND, msg) from error
    except ValueError as error:  # the C++ loader serves the model and fails every request
        if not str(error).startswith("The passed save_path is not a valid checkpoint"):
            raise
        msg = f"Could not find the values of the variables: {folder / 'variables' / 'variables.index'}"
        raise ServingError(Code.NOT_FOUND, msg) from error


def _tensorflow() -> Any:
    """Import TensorFlow without its start-up messages.

    Errors are raised, not printed.
    """
    with _importing:
        if "tensorflow" in sys.modules:
            import tensorflow as tf

            return tf
        os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
        with _silent_stderr():
            import tensorflow as tf

        tf.get_logger().setLevel("ERROR")
        gc.collect()
        gc.freeze()  # excludes TensorFlow's 300,000 permanent objects from later collections
        return tf


@contextlib.contextmanager
def _silent_stderr() -> Iterator[None]:
    """Redirect file descriptor 2 to /dev/null.

    C++ code writes to it before its log level is read.

    This affects the whole process: only one thread may do it at a time, and what other threads write is lost.
    """
    kept = os.dup(2)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)
