"""One small file a GAN: which terms D and G minimise."""

from __future__ import annotations

from leafwing.core.registry import Registry
from leafwing.game import Variant

variants: Registry[Variant] = Registry("variant", "leafwing.variants")
