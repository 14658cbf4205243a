"""The network of the U-Net delineator in PyTorch, for training.

`ecgstore.beats.unet` runs the same network in numba.
"""

from typing import Final

import torch
from torch import Tensor, nn

from ecgstore.arrays import Float32Array

N_CLASSES: Final = 7
"""No wave; then for each of P, QRS and T, the wave before and after its peak."""

STEM_KERNEL: Final = 9
KERNEL: Final = 7
WIDTHS: Final = (8, 16, 24, 32)
"""Channels of a lead at 125, 62.5, 31.25 and 15.625 Hz."""

CONTEXT_WIDTH: Final = 48
CONTEXT_DILATIONS: Final = (1, 2, 4, 8, 16)


def pooled(x: Tensor, usable: Tensor) -> Tensor:
    """Return the mean and the maximum over the usable leads, concatenated.

    Where no lead is usable, both are 0.

    Parameters
    ----------
    x : Tensor of shape (n_records, n_leads, n_features, n_times)
    usable : Tensor of shape (n_records, n_leads, n_spans)
        1 or 0 in each of the equal spans that the times are divided into.

    Returns
    -------
    Tensor of shape (n_records, 2 * n_features, n_times)
    """
    size = x.shape[3] // usable.shape[2]
    weight = usable.repeat_interleave(size, 2)[:, :, None]
    n_usable = weight.sum(1)
    mean = (x * weight).sum(1) / n_usable.clamp(min=1)
    highest = x.masked_fill(weight == 0, -1e9).amax(1)
    return torch.cat([mean, highest.masked_fill(n_usable == 0, 0)], 1)


class Block(nn.Module):
    """Residual block of a depthwise and a pointwise convolution.

    Parameters
    ----------
    width : int
        Channels of a lead.
    shared : int
        Channels of the context that all leads of a record share; 0 for none.
    """

    def __init__(self, width: int, shared: int = 0) -> None:
        super().__init__()
        self.depthwise = nn.Conv1d(
            width, width, KERNEL, padding=KERNEL // 2, groups=width, bias=False
        )
        self.pointwise = nn.Conv1d(width, width, 1, bias=False)
        self.shared = nn.Conv1d(shared, width, 1, bias=False) if shared else None
        self.norm = nn.BatchNorm1d(width)

    def forward(self, x: Tensor, context: Tensor | None = None) -> Tensor:
        """Map features of shape (n_records * n_leads, width, n_times)."""
        y = self.pointwise(self.depthwise(x))
        if self.shared is not None and context is not None:
            n_leads = len(x) // len(context)
            y = y + self.shared(context).repeat_interleave(n_leads, 0)
        return x + torch.relu(self.norm(y))


class Down(nn.Module):
    """Halve the rate: depthwise convolution of stride 2, pointwise to a new width."""

    def __init__(self, width: int, width_out: int) -> None:
        super().__init__()
        self.depthwise = nn.Conv1d(
            width, width, 5, stride=2, padding=2, groups=width, bias=False
        )
        self.pointwise = nn.Conv1d(width, width_out, 1, bias=False)
        self.norm = nn.BatchNorm1d(width_out)

    def forward(self, x: Tensor) -> Tensor:
        """Map (n, width, n_times) to (n, width_out, n_times / 2)."""
        return torch.relu(self.norm(self.pointwise(self.depthwise(x))))


class Up(nn.Module):
    """Double the rate by linear interpolation, and add the features of the encoder."""

    def __init__(self, width: int, width_out: int) -> None:
        super().__init__()
        self.pointwise = nn.Conv1d(width, width_out, 1)

    def forward(self, x: Tensor, encoded: Tensor) -> Tensor:
        """Map (n, width, n_times) and (n, width_out, 2 n_times) to the latter."""
        y = self.pointwise(x)
        following = torch.cat([y[..., 1:], y[..., -1:]], -1)
        doubled = torch.stack([y, 0.5 * (y + following)], -1).flatten(-2)
        return encoded + doubled


class Context(nn.Module):
    """Context of each time in the record, by dilated convolutions."""

    def __init__(self, width_in: int) -> None:
        super().__init__()
        self.enter = nn.Conv1d(width_in, CONTEXT_WIDTH, 1, bias=False)
        self.enter_norm = nn.BatchNorm1d(CONTEXT_WIDTH)
        self.convolutions = nn.ModuleList(
            nn.Conv1d(
                CONTEXT_WIDTH, CONTEXT_WIDTH, 3, padding=d, dilation=d, bias=False
            )
            for d in CONTEXT_DILATIONS
        )
        self.norms = nn.ModuleList(
            nn.BatchNorm1d(CONTEXT_WIDTH) for _ in CONTEXT_DILATIONS
        )

    def forward(self, x: Tensor) -> Tensor:
        """Map (n_records, width_in, n_times) to (n_records, CONTEXT_WIDTH, n_times)."""
        x = torch.relu(self.enter_norm(self.enter(x)))
        for convolution, norm in zip(self.convolutions, self.norms, strict=True):
            x = x + torch.relu(norm(convolution(x)))
        return x


class DelineatorNetwork(nn.Module):
    """A U-Net over each lead, with features pooled over the leads.

    All leads pass through the same weights. At three levels, the mean and the maximum
    over the usable leads are added to the features of each lead, so that the network
    does not depend on the order of the leads, nor on any particular lead.
    """

    def __init__(self) -> None:
        super().__init__()
        a, b, c, d = WIDTHS
        self.stem = nn.Conv1d(
            1, a, STEM_KERNEL, stride=2, padding=STEM_KERNEL // 2, bias=False
        )
        self.stem_norm = nn.BatchNorm1d(a)
        self.encode_a = Block(a)
        self.down_b = Down(a, b)
        self.encode_b = Block(b)
        self.down_c = Down(b, c)
        self.encode_c = Block(c, 2 * c)
        self.down_d = Down(c, d)
        self.context = Context(2 * d)
        self.encode_d = Block(d, CONTEXT_WIDTH)
        self.decode_d = Block(d)
        self.up_c = Up(d, c)
        self.decode_c = Block(c)
        self.up_b = Up(c, b)
        self.decode_b = Block(b, 2 * b)
        self.up_a = Up(b, a)
        self.decode_a = Block(a)
        self.head = nn.Conv1d(a, N_CLASSES, 3, padding=1)

    def forward(self, signal: Tensor, usable: Tensor) -> Tensor:
        """Return the logits of the classes.

        Parameters
        ----------
        signal : Tensor of shape (n_records, n_leads, n_samples)
            At 250 Hz, scaled; `n_samples` a multiple of 16.
        usable : Tensor of shape (n_records, n_leads, n_spans)
            1 or 0 in each of the equal spans that the record is divided into: one, or
            spans of a multiple of 16 samples.

        Returns
        -------
        Tensor of shape (n_records, n_leads, 7, n_samples / 2)
        """
        n_records, n_leads, n_samples = signal.shape

        def pool(x: Tensor) -> Tensor:
            return pooled(x.reshape(n_records, n_leads, *x.shape[1:]), usable)

        x = signal.reshape(n_records * n_leads, 1, n_samples)
        a = self.encode_a(torch.relu(self.stem_norm(self.stem(x))))
        b = self.encode_b(self.down_b(a))
        c = self.down_c(b)
        c = self.encode_c(c, pool(c))
        d = self.down_d(c)
        d = self.decode_d(self.encode_d(d, self.context(pool(d))))
        c = self.decode_c(self.up_c(d, c))
        b = self.up_b(c, b)
        b = self.decode_b(b, pool(b))
        a = self.decode_a(self.up_a(b, a))
        logits: Tensor = self.head(a)
        return logits.reshape(n_records, n_leads, N_CLASSES, n_samples // 2)


def flat_weights(network: DelineatorNetwork) -> Float32Array:
    """Return all weights in the order in which the numba network uses them.

    Normalisations are folded into the convolutions before them.
    """
    n = network.eval()

    def folded(conv: nn.Conv1d, norm: nn.BatchNorm1d) -> tuple[Tensor, Tensor]:
        assert norm.running_var is not None
        assert norm.running_mean is not None
        scale = norm.weight / torch.sqrt(norm.running_var + norm.eps)
        return conv.weight * scale[:, None, None], norm.bias - norm.running_mean * scale

    def of_block(block: Block) -> list[Tensor]:
        weight, bias = folded(block.pointwise, block.norm)
        shared = []
        if block.shared is not None:
            shared = [folded(block.shared, block.norm)[0]]
        return [block.depthwise.weight, weight, *shared, bias]

    def of_down(down: Down) -> list[Tensor]:
        return [down.depthwise.weight, *folded(down.pointwise, down.norm)]

    def of_up(up: Up) -> list[Tensor]:
        assert up.pointwise.bias is not None
        return [up.pointwise.weight, up.pointwise.bias]

    def of_context(context: Context) -> list[Tensor]:
        parts = [*folded(context.enter, context.enter_norm)]
        for convolution, norm in zip(context.convolutions, context.norms, strict=True):
            assert isinstance(convolution, nn.Conv1d)
            assert isinstance(norm, nn.BatchNorm1d)
            weight, bias = folded(convolution, norm)
            parts += [weight.permute(2, 0, 1), bias]  # one matrix per tap
        return parts

    assert n.head.bias is not None
    parts = [
        *folded(n.stem, n.stem_norm),
        *of_block(n.encode_a),
        *of_down(n.down_b),
        *of_block(n.encode_b),
        *of_down(n.down_c),
        *of_block(n.encode_c),
        *of_down(n.down_d),
        *of_context(n.context),
        *of_block(n.encode_d),
        *of_block(n.decode_d),
        *of_up(n.up_c),
        *of_block(n.decode_c),
        *of_up(n.up_b),
        *of_block(n.decode_b),
        *of_up(n.up_a),
        *of_block(n.decode_a),
        n.head.weight.permute(2, 0, 1),
        n.head.bias,
    ]
    with torch.no_grad():
        return torch.cat([part.reshape(-1) for part in parts]).numpy().astype("float32")
