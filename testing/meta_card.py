"""The meta device in the role of a GPU.

Tensors have shapes but no values, and a dispatch mode counts live bytes, peaks, floating-point operations and host
synchronizations. It does not see the workspaces of libraries, fragmentation or the choice of kernels.
"""

import math
import weakref
from collections import Counter
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import flop_registry

ALLOCATION_BYTES = 512
"""Granularity of torch's CUDA allocator."""

SYNCHRONIZING = ("_local_scalar_dense", "is_nonzero", "nonzero", "equal")


class MetaCard(TorchDispatchMode):  # type: ignore[no-untyped-call]  # torch does not type it
    """Counts the operations that run under it. `live` and `peak` are bytes by device type."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.live: Counter[str] = Counter()
        self.peak: Counter[str] = Counter()
        self.flops = 0
        self.syncs = 0
        self._known: weakref.WeakKeyDictionary[Any, int] = weakref.WeakKeyDictionary()

    def start_stage(self) -> None:
        """Reset the peaks, operations and synchronizations."""
        self.peak, self.flops, self.syncs = Counter(self.live), 0, 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        name = func.name().removeprefix("aten::").partition(".")[0]
        reads_meta = any(isinstance(each, torch.Tensor) and each.is_meta for each in tree_leaves((args, kwargs)))
        if reads_meta and name in SYNCHRONIZING:
            self.syncs += 1
            return args[0].dtype == torch.bool or 0.5
        made = func(*args, **kwargs)
        for tensor in tree_leaves(made):
            if isinstance(tensor, torch.Tensor):
                self._account(tensor)
        if reads_meta:
            self.flops += operations(name, func, args, kwargs, made)
        return made

    def _account(self, tensor: torch.Tensor) -> None:
        storage = tensor.untyped_storage()
        if storage in self._known:
            return
        size, device = -(-storage.nbytes() // ALLOCATION_BYTES) * ALLOCATION_BYTES, tensor.device.type
        self._known[storage] = size
        self.live[device] += size
        self.peak[device] = max(self.peak[device], self.live[device])
        weakref.finalize(storage, self._free, device, size)

    def _free(self, device: str, size: int) -> None:
        self.live[device] -= size


def operations(name: str, func: Any, args: Any, kwargs: Any, made: Any) -> int:
    """Return the floating-point operations of one call. Composite operations arrive whole in inference mode."""
    if name == "linear":
        return int(2 * made.numel() * args[0].shape[-1])
    if name in ("conv2d", "conv3d"):
        return int(2 * made.numel() * math.prod(args[1].shape[1:]))
    if name == "scaled_dot_product_attention":
        query, key = args[:2]
        return int(4 * query.numel() * key.shape[-2])
    packet = getattr(func, "_overloadpacket", func)
    return int(flop_registry[packet](*args, **kwargs, out_val=made)) if packet in flop_registry else 0
