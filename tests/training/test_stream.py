"""Training on a stream of scenes: the pool, the loops of UNet and decoder, and what they write."""

from __future__ import annotations

import json
from contextlib import contextmanager
from itertools import count, islice

import pytest

pytest.importorskip("tqdm")
pytest.importorskip("diffusers")
import torch
from diffusers import AutoencoderKL, StableDiffusionPipeline, UNet2DConditionModel
from torch.utils._python_dispatch import TorchDispatchMode
from transformers import CLIPTokenizer

from vxa.training import decoder, loop, unet
from vxa.training.decoder import edge_error, psnr, train_decoder_on_stream
from vxa.training.networks import WIDTH, quiet_residuals, text_encoder
from vxa.training.noise import schedule
from vxa.training.pool import Pool, draw
from vxa.training.rendering import render_batch
from vxa.training.ship import ship
from vxa.training.stream import Sizes
from vxa.training.tokenizer import write_tokenizer
from vxa.training.unet import train_unet_on_stream

SIZES = Sizes(batch=4, workers=1, rendered=2, least=4, capacity=6, dev=2)


def test_the_pool_replaces_the_oldest_and_draws_what_is_there():
    pool = Pool(3, "cpu")
    pool.add(number=torch.tensor([1.0, 2.0]))
    place = pool.columns["number"].data_ptr()
    assert set(pool.draw(100)["number"].tolist()) == {1.0, 2.0}
    pool.add(number=torch.tensor([3.0, 4.0]))
    assert set(pool.draw(100)["number"].tolist()) == {2.0, 3.0, 4.0}
    assert pool.columns["number"].data_ptr() == place
    assert pool.seen == 4


def test_the_pool_never_draws_beyond_what_it_holds(monkeypatch):
    pool = Pool(5, "cpu")
    pool.add(number=torch.tensor([1.0, 2.0]))
    monkeypatch.setattr(torch, "rand", lambda count, device: torch.ones(count, device=device))
    assert pool.draw(2)["number"].tolist() == [2.0, 2.0]


def test_indices_are_drawn_by_their_chances():
    torch.manual_seed(0)
    drawn = draw(torch.tensor([0.5, 0.0, 0.3, 0.2]).cumsum(0), 10_000)
    assert (drawn.bincount(minlength=4) / 10_000).tolist() == pytest.approx([0.5, 0.0, 0.3, 0.2], abs=0.02)


class Watch(TorchDispatchMode):
    """A mode in which no number may be read from a tensor: a CUDA graph cannot hold that."""

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        name = function.overloadpacket.__name__
        assert name not in ("_local_scalar_dense", "nonzero", "equal"), f"a step calls {name}"
        return function(*args, **(kwargs or {}))


@pytest.fixture
def in_this_process(monkeypatch):
    """Render without processes, and watch every step as a capture would."""

    @contextmanager
    def rendering(tokenizer, workers, first, size):
        reader, seeds = CLIPTokenizer.from_pretrained(tokenizer), count(first)

        class Source:
            there = 0

            def take(self, wait):
                self.there += 1
                if wait or self.there % 2:
                    return render_batch(islice(seeds, size), "train", reader)
                return None

        yield Source()

    def watched(step, device):
        def advance():
            with Watch():
                step()

        return advance

    plain = torch.optim.AdamW
    for module in (unet, decoder):
        monkeypatch.setattr(module, "rendering", rendering)
    monkeypatch.setattr(loop, "capture", watched)
    monkeypatch.setattr(loop, "ROUND", 2)
    monkeypatch.setattr(loop, "REPORTS", 1)
    # The plain optimizer of a CPU reads its step count; the fused one does not, as on CUDA.
    monkeypatch.setattr(
        torch.optim, "AdamW", lambda groups, **kwargs: plain(groups, **kwargs | {"fused": True})
    )


def tiny_vae():
    torch.manual_seed(0)
    blocks = {"down_block_types": ("DownEncoderBlock2D",) * 4, "up_block_types": ("UpDecoderBlock2D",) * 4}
    return AutoencoderKL(latent_channels=4, block_out_channels=(8,) * 4, norm_num_groups=4, **blocks)


def tiny_pipeline(folder):
    """Build untrained networks, much smaller than papercut's."""
    write_tokenizer(folder)
    tokenizer = CLIPTokenizer.from_pretrained(folder)
    network = UNet2DConditionModel(
        sample_size=32,
        layers_per_block=1,
        block_out_channels=(32, 32),
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
        cross_attention_dim=WIDTH,
        attention_head_dim=4,
    )
    quiet_residuals(network, ("conv2", "proj_out"))
    encoder = text_encoder(len(tokenizer), tokenizer.bos_token_id, tokenizer.eos_token_id)
    parts = {"vae": tiny_vae(), "unet": network, "text_encoder": encoder, "tokenizer": tokenizer}
    unused = {"safety_checker": None, "feature_extractor": None, "requires_safety_checker": False}
    return StableDiffusionPipeline(**parts, scheduler=schedule(), **unused)


@pytest.mark.slow
@pytest.mark.usefixtures("in_this_process")
def test_a_unet_is_trained_on_a_stream_and_shipped(tmp_path):
    """Train untrained networks, go on from the checkpoint, and ship the result."""
    errors = []
    for steps, first in ((4, 0), (6, 4)):
        pipeline = tiny_pipeline(tmp_path / "start")
        scale = pipeline.vae.config.scaling_factor
        train_unet_on_stream(tmp_path, pipeline.vae, SIZES, steps, 1, "cpu", rate=0.3, start=pipeline)
        report = json.loads((tmp_path / "unet-stream.json").read_text("utf-8"))
        assert (report["steps"], report["batch"], report["device"]) == (steps, 4, "cpu")
        assert [each["step"] for each in report["measured"]] == [first, steps]
        assert report["measured"][-1]["scenes"] > report["measured"][0]["scenes"] == 4
        assert "error at 600 of a wrong caption" in report["measured"][0]
        errors += [each["error at 600"] for each in report["measured"]]
    assert errors[0] > errors[1] == errors[2] > errors[3]
    ship(tmp_path, tmp_path / "package")
    shipped = StableDiffusionPipeline.from_pretrained(tmp_path / "package")
    assert shipped.vae.config.scaling_factor == scale
    assert torch.equal(shipped.unet.conv_in.weight, pipeline.unet.conv_in.weight.float())


@pytest.mark.slow
@pytest.mark.usefixtures("in_this_process")
def test_a_decoder_is_trained_on_a_stream(tmp_path):
    vae = tiny_vae()
    before = {name: value.clone() for name, value in vae.state_dict().items()}
    train_decoder_on_stream(tmp_path, vae, SIZES, 4, 1, "cpu", rate=0.1)
    report = json.loads((tmp_path / "decoder-stream.json").read_text("utf-8"))
    assert report["measured"][-1]["PSNR"] > report["measured"][0]["PSNR"]
    written = AutoencoderKL.from_pretrained(tmp_path / "vae").state_dict()
    for name, value in before.items():
        if name.startswith(("encoder.", "quant_conv.")):
            assert torch.equal(written[name], value), f"{name}: latents would be no longer valid"
    assert not torch.equal(written["decoder.conv_in.weight"], before["decoder.conv_in.weight"])


def test_the_error_of_edges_sees_blur_and_no_brightness():
    pixels = torch.zeros(1, 3, 4, 6)
    pixels[..., 3:] = 1.0
    soft = pixels.clone()
    soft[..., 3] = 0.5
    assert edge_error(pixels + 0.25, pixels) == 0
    assert edge_error(soft, pixels) == pytest.approx((0.5 + 0.5) / 5)


def test_the_psnr_is_that_of_each_picture():
    class Vae:
        def encode(self, pixels):
            return self

        @property
        def latent_dist(self):
            return self

        def mode(self):
            return torch.zeros(2, 4, 1, 1)

        def decode(self, latents):
            self.sample = torch.full((2, 3, 8, 8), 3.0)
            return self

    pictures = torch.full((2, 3, 8, 8), 255, dtype=torch.uint8)
    pictures[1] = 0
    pictures[0, 0, 0, 0] = 0
    # Decoded pixels are clamped to 1: an error of 4 in one value of 192, and of 4 in all.
    expected = (10 * torch.log10(torch.tensor(192.0)).item() + 0) / 2
    assert psnr(Vae(), pictures) == pytest.approx(expected, abs=0.01)
