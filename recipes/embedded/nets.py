"""The three networks of the embedded labeler, all small, dense and plain.

The proposer finds things of any kind: a residual network with a top-down path, one prediction
level at stride 4, boxes as distances to the sides (after FCOS, Tian et al. 2019) and masks as sums
of prototypes (after YOLACT, Bolya et al. 2019). The refiner looks at each proposal again, closely,
draws its mask anew and says how good it is. The namer says what a crop shows.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812  (torch's own name for it)

PROTOTYPES = 24
EMBEDDING = 96


def conv(
    inner: int, outer: int, size: int = 3, stride: int = 1, relu: bool = True
) -> nn.Sequential:
    """Convolution, batch normalisation and, unless it is added to something first, ReLU."""
    layers: list[nn.Module] = [
        nn.Conv2d(inner, outer, size, stride, size // 2, bias=False),
        nn.BatchNorm2d(outer),
    ]
    return nn.Sequential(*layers, *([nn.ReLU(True)] if relu else []))


class Residual(nn.Module):
    """Two convolutions beside a shortcut."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.first, self.second = conv(width, width), conv(width, width, relu=False)

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(x + self.second(self.first(x)))


class Proposer(nn.Module):
    """RGB and inverse depth ``[N, 4, H, W]`` to objectness, boxes, mask weights, prototypes.

    All come at stride 4: objectness logits ``[N, 1, h, w]``, distances from the cell's centre to
    the four sides in cells ``[N, 4, h, w]``, weights ``[N, P, h, w]``, prototypes ``[N, P, h, w]``.
    H and W must be multiples of 32.
    """

    def __init__(
        self,
        widths: tuple[int, ...] = (16, 24, 40, 80, 128),
        depths: tuple[int, ...] = (1, 2, 2, 2),
        neck: int = 40,
    ) -> None:
        super().__init__()
        self.stem = nn.Sequential(conv(4, widths[0], 3, 2), conv(widths[0], widths[1], 3, 2))
        self.stages = nn.ModuleList()
        for k, depth in enumerate(depths):
            down = [] if k == 0 else [conv(widths[k], widths[k + 1], 3, 2)]
            width = widths[max(1, k + 1)]
            self.stages.append(nn.Sequential(*down, *(Residual(width) for _ in range(depth))))
        self.lateral = nn.ModuleList(conv(w, neck, 1) for w in widths[1:])
        self.smooth = nn.ModuleList(conv(neck, neck) for _ in range(3))
        self.head = nn.Sequential(conv(neck, neck), conv(neck, neck))
        self.prototypes = nn.Sequential(conv(neck, neck), nn.Conv2d(neck, PROTOTYPES, 1))
        self.objectness = nn.Conv2d(neck, 1, 1)
        self.sides = nn.Conv2d(neck, 4, 1)
        self.weights = nn.Conv2d(neck, PROTOTYPES, 1)
        nn.init.constant_(self.objectness.bias, -4.0)  # type: ignore[arg-type]
        nn.init.constant_(self.sides.bias, 1.0)  # type: ignore[arg-type]

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        x = self.stem(x)
        levels = []
        for stage in self.stages:
            x = stage(x)
            levels.append(x)
        y = self.lateral[3](levels[3])
        for k in (2, 1, 0):
            larger = F.interpolate(y, scale_factor=2.0, mode="nearest")
            y = self.smooth[k](larger + self.lateral[k](levels[k]))
        h = self.head(y)
        return (
            self.objectness(h),
            2 * F.softplus(self.sides(h)),
            torch.tanh(self.weights(h)),
            self.prototypes(y),
        )


class Refiner(nn.Module):
    """A crop with a rough mask to a better mask and how well that will fit.

    Input: ``[N, 5, 64, 64]`` RGB, rough mask, depth relative to the thing; ``[N, 5]`` log width,
    log height in metres, whether it is cut off, whether there is depth, half the proposal's
    objectness logit. Output: mask logits ``[N, 32, 32]`` over the crop, and the logit of the mask's
    IoU ``[N]``.
    """

    def __init__(self, widths: tuple[int, ...] = (16, 32, 64)) -> None:
        super().__init__()
        a, b, c = widths
        self.fine = conv(5, a, 3, 2)
        self.middle = nn.Sequential(conv(a, b, 3, 2), Residual(b))
        self.coarse = nn.Sequential(conv(b, c, 3, 2), Residual(c), Residual(c))
        self.to_middle, self.to_fine = conv(c, b, 1), conv(b, a, 1)
        self.smooth_middle, self.smooth_fine = conv(b, b), conv(a, a)
        self.mask = nn.Conv2d(a, 1, 1)
        self.quality = nn.Sequential(nn.Linear(2 * c + 5, 48), nn.ReLU(), nn.Linear(48, 1))

    def forward(self, x: Tensor, measures: Tensor) -> tuple[Tensor, Tensor]:
        fine = self.fine(x)
        middle = self.middle(fine)
        coarse = self.coarse(middle)
        y = F.interpolate(self.to_middle(coarse), scale_factor=2.0, mode="nearest")
        y = self.smooth_middle(y + middle)
        y = F.interpolate(self.to_fine(y), scale_factor=2.0, mode="nearest")
        mask = self.mask(self.smooth_fine(y + fine))[:, 0]
        h = coarse.float()
        pooled = torch.cat((h.mean((2, 3)), h.amax((2, 3)), measures.float()), 1)
        return mask, self.quality(pooled)[:, 0]


class Namer(nn.Module):
    """A crop and its measures to an embedding that is compared with those of class names.

    Input: ``[N, 5, 64, 64]`` RGB, mask, depth relative to the thing; ``[N, 4]`` log width, log
    height in metres, whether it is cut off, whether there is depth. Output: unit ``[N, E]``.
    """

    def __init__(self, classes: int, widths: tuple[int, ...] = (16, 32, 64, 128)) -> None:
        super().__init__()
        a, b, c, d = widths
        self.body = nn.Sequential(
            conv(5, a, 3, 2),
            conv(a, b, 3, 2),
            Residual(b),
            conv(b, c, 3, 2),
            Residual(c),
            conv(c, d, 3, 2),
            Residual(d),
            Residual(d),
        )
        self.mix = nn.Sequential(nn.Linear(2 * d + 4, 192), nn.ReLU(), nn.Linear(192, EMBEDDING))
        self.table = nn.Parameter(torch.randn(classes, EMBEDDING) * 0.1)
        self.scale = nn.Parameter(torch.tensor(2.7))

    def forward(self, x: Tensor, measures: Tensor) -> Tensor:
        h = self.body(x).float()
        pooled = torch.cat((h.mean((2, 3)), h.amax((2, 3)), measures.float()), 1)
        return F.normalize(self.mix(pooled), dim=-1)

    def logits(self, embedding: Tensor) -> Tensor:
        """Class logits ``[N, C]`` of embeddings."""
        return embedding @ F.normalize(self.table, dim=-1).T * self.scale.exp()
