# SPDX-License-Identifier: GPL-3.0-or-later
"""Several processes that train one network, as torchrun starts them: who each is, and the mean of their gradients."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import distributed, nn


@contextmanager
def joined() -> Iterator[None]:
    """Join the processes that the environment tells of, if it does."""
    if int(os.environ.get("WORLD_SIZE", "1")) > 1:
        distributed.init_process_group("gloo")
    try:
        yield
    finally:
        if distributed.is_initialized():
            distributed.destroy_process_group()


def rank() -> int:
    return distributed.get_rank() if distributed.is_initialized() else 0


def count() -> int:
    return distributed.get_world_size() if distributed.is_initialized() else 1


def share() -> slice:
    """The part of the samples that is for this process."""
    return slice(rank(), None, count())


def average_gradients(network: nn.Module) -> None:
    """Each gradient becomes the mean over all processes, in one exchange; a parameter without one counts as zero."""
    if count() == 1:
        return
    parameters = [parameter for parameter in network.parameters() if parameter.requires_grad]
    gradients = [torch.zeros_like(p) if p.grad is None else p.grad for p in parameters]
    flat = torch.cat([gradient.flatten() for gradient in gradients])
    distributed.all_reduce(flat)
    for parameter, part in zip(parameters, flat.split([gradient.numel() for gradient in gradients]), strict=True):
        parameter.grad = (part / count()).view_as(parameter)
