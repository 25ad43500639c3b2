"""``dinov2`` and ``clip``, where Hugging Face's transformers is installed, from a folder on this machine.

Features: DINOv2's class token (Oquab et al. 2023, arXiv:2304.07193; for generators Stein et al. 2023,
arXiv:2306.04675), CLIP's image embedding (Radford et al. 2021, arXiv:2103.00020; for generators Kynkäänniemi et al.
2023, arXiv:2203.06026). Nothing is downloaded: the folder is that of a saved model (config.json, model.safetensors).

Shape legend: n pictures, d features.
"""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from leafwing.core.errors import BadConfig, BadData
from leafwing.measure.network import Network, sha256_of

SIDE = 224
WEIGHTS = "model.safetensors"
COLOURS = {
    "dinov2": ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
    "clip": ((0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)),
}
"""Mean and standard deviation of red, green, blue in 0..1 that each was trained with."""


def load(name: str, folder: Path, device: torch.device | str = "cpu") -> Network:
    """DINOv2 or CLIP from a folder.

    Args:
        name: ``"dinov2"`` or ``"clip"``.
        folder: a model saved by transformers.
        device: where it computes.

    Raises:
        BadConfig: transformers is not installed.
        BadData: the folder holds no such model.
    """
    try:
        transformers: Any = import_module("transformers")
    except ImportError:
        raise BadConfig(
            f"--features {name} needs the transformers library: pip install transformers, then give the model's folder "
            f"as {name}=FOLDER."
        ) from None
    maker = transformers.AutoModel if name == "dinov2" else transformers.CLIPVisionModelWithProjection
    if not (folder / WEIGHTS).is_file():
        raise BadData(f"{folder} holds no model: it should have config.json and {WEIGHTS}.")
    try:
        net: Any = maker.from_pretrained(str(folder), local_files_only=True)
    except Exception as error:  # transformers raises whatever comes to hand
        raise BadData(f"{folder} cannot be read as {name}: {' '.join(str(error).split())[:160]}.") from None
    net = net.eval().requires_grad_(False).to(device)
    mean, std = (torch.tensor(part, device=device)[:, None, None] for part in COLOURS[name])

    def compute(x: Tensor) -> Tensor:
        out = net(pixel_values=(x / 255 - mean) / std)
        features: Tensor = out.last_hidden_state[:, 0] if name == "dinov2" else out.image_embeds
        return features

    dim = int(compute(torch.zeros(1, 3, SIDE, SIDE, device=device)).shape[1])
    return Network(
        name=name,
        dim=dim,
        side=SIDE,
        resizer="clean",
        compute=compute,
        weights=sha256_of(folder / WEIGHTS),
        preprocessing="RGB / 255, minus mean, over deviation of its training",
        device=torch.device(device),
    )
