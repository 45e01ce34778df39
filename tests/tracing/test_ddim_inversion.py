from __future__ import annotations

import pytest
import torch

from vxa.errors import ModelError
from vxa.tracing.ddim_inversion import ddim_levels, ddim_trajectory

ALPHAS = torch.linspace(0.99, 0.01, 11)


def test_levels_go_evenly_from_the_image_to_the_last() -> None:
    assert ddim_levels(1000, 4) == (0, 250, 500, 749, 999)
    assert ddim_levels(3, 8) == (0, 1, 2)


@pytest.mark.parametrize("kind", ["epsilon", "v_prediction", "sample"])
def test_a_network_that_knows_the_noise_leads_to_it(kind: str) -> None:
    """If each prediction gives the true image and noise, each latent is their mixture at its level."""
    image, noise = torch.randn(1, 4, 3, 2), torch.randn(1, 4, 3, 2)

    def mixture(level: int) -> torch.Tensor:
        return ALPHAS[level].sqrt() * image + (1 - ALPHAS[level]).sqrt() * noise

    def denoise(latent: torch.Tensor, level: int) -> torch.Tensor:
        velocity = ALPHAS[level].sqrt() * noise - (1 - ALPHAS[level]).sqrt() * image
        return {"epsilon": noise, "v_prediction": velocity, "sample": image}[kind]

    levels = (0, 4, 7, 10)
    found = list(ddim_trajectory(mixture(0), levels, ALPHAS, kind, denoise))
    for level, latent in zip(levels, found, strict=True):
        assert torch.allclose(latent, mixture(level), atol=1e-4)


def test_a_prediction_of_another_kind_is_refused() -> None:
    with pytest.raises(ModelError, match="predicts 'flow', and inversion knows epsilon"):
        list(ddim_trajectory(torch.zeros(1, 4, 3, 2), (0, 5), ALPHAS, "flow", lambda latent, level: latent))
