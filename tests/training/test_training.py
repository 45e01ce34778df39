"""Training on a small scale: resumed runs, captions of windows, shapes of networks."""

import random
from copy import deepcopy

import pytest
import torch
from torch import nn

pytest.importorskip("tqdm")
pytest.importorskip("diffusers")
from support.scenes import cached_scene

from vxa.papercut.judge import CLASSES, Judge, to_tensor
from vxa.training.batches import window_at
from vxa.training.captions import crop_caption, partial_caption
from vxa.training.judge import class_weights, judge_loss, labels_of, spoil
from vxa.training.latents import make_latents, read_latents
from vxa.training.loop import train
from vxa.training.networks import autoencoder, text_encoder, unet
from vxa.training.noise import schedule, timestep_chances
from vxa.training.trainer import Average, Plan
from vxa.training.unet import train_unet
from vxa.training.vae import crops


def test_the_rate_rises_and_falls():
    plan = Plan(steps=100, rate=1.0, warmup=10, floor=0.1)
    assert plan.rate_at(0) == pytest.approx(0.1)
    assert plan.rate_at(10) == pytest.approx(1.0)
    assert plan.rate_at(55) == pytest.approx(0.55)
    assert plan.rate_at(100) == pytest.approx(0.1)


def test_a_resumed_training_equals_an_uninterrupted_one(tmp_path):
    def run(stops, folder):
        torch.manual_seed(0)
        network = nn.Linear(3, 2)
        plan = Plan(steps=6, rate=0.1, warmup=1, checkpoint_every=1)

        class Stop(Exception):
            pass

        def loss_of(step):
            if step in stops:
                stops.remove(step)
                raise Stop
            generator = torch.Generator().manual_seed(step)
            return network(torch.randn(4, 3, generator=generator)).float().pow(2).mean()

        while True:
            try:
                return train(network, plan, loss_of, folder / "checkpoint", "cpu").weight.detach().clone()
            except Stop:
                torch.manual_seed(1)
                network = nn.Linear(3, 2)

    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    assert torch.equal(run([], tmp_path / "a"), run([3], tmp_path / "b"))


def test_the_average_follows_the_weights():
    network = nn.Linear(1, 1, bias=False)
    average = Average(network, decay=0.9)
    nn.init.constant_(network.weight, 1.0)
    for step in range(200):
        average.update(network, average.decay_at(step))
    assert average.weights["weight"].item() == pytest.approx(1.0, abs=1e-3)


def test_averaged_weights_are_lent_to_the_network_and_taken_back():
    network = nn.Linear(1, 1, bias=False)
    average = Average(network, decay=0.9)
    place, own = network.weight.data_ptr(), network.weight.item()
    average.weights["weight"].fill_(7.0)
    with average.applied(network):
        assert (network.weight.item(), network.training) == (7.0, False)
    assert (network.weight.item(), network.training) == (own, True)
    assert network.weight.data_ptr() == place, "a captured step would not find the weights"


def test_the_autoencoder_starts_with_colour():
    """Check that, untrained, three latents are the mean colour of their cells, and decoding returns it."""
    torch.manual_seed(0)
    vae = autoencoder().eval()
    pixels = torch.stack([to_tensor(cached_scene(seed).image)[:, 64:192, 64:192] for seed in (0, 1)])
    with torch.no_grad():
        latent = vae.encode(pixels).latent_dist.mode()
        decoded = vae.decode(latent).sample
    means = nn.functional.avg_pool2d(pixels, 8)
    for channel in range(3):
        pair = torch.stack([latent[:, channel].flatten(), means[:, channel].flatten()])
        assert torch.corrcoef(pair)[0, 1] > 0.95
        pair = torch.stack([decoded[:, channel].flatten(), pixels[:, channel].flatten()])
        assert torch.corrcoef(pair)[0, 1] > 0.8


def test_the_networks_have_the_shape_of_stable_diffusion():
    network, encoder = unet(), text_encoder(700, 698, 699)
    with torch.no_grad():
        states = encoder(torch.zeros(1, 77, dtype=torch.long))[0]
        assert network(torch.zeros(1, 4, 24, 32), torch.tensor([1]), states).sample.shape == (1, 4, 24, 32)
    names = [name for name, _ in network.named_modules() if name.endswith("attn2")]
    assert len(names) == 10
    norms = [m for m in [*network.modules(), *autoencoder().modules()] if isinstance(m, nn.GroupNorm)]
    assert {m.num_groups for m in norms} == {32}
    model = sum(p.numel() for part in (network, encoder, autoencoder()) for p in part.parameters())
    assert model * 2 <= 24e6, "bytes in fp16"
    assert sum(p.numel() for p in Judge().parameters()) * 2 <= 4e6


def test_the_text_encoder_starts_with_different_words():
    encoder = text_encoder(700, 698, 699).eval()
    with torch.no_grad():
        states = encoder(torch.tensor([[698, 5, 9, 5, 300, 699]]))[0][0]
    cosines = torch.nn.functional.cosine_similarity(states[None], states[:, None], dim=-1)
    assert cosines[1, 3] > 0.7, "the same word at two places"
    assert cosines[1, [2, 4]].abs().max() < 0.5


def test_timesteps_are_drawn_where_words_matter():
    chances = timestep_chances(schedule())
    assert chances.sum() == pytest.approx(1)
    assert chances.min() >= 0.0005
    assert chances[800] > 2 * chances[50]


def test_a_part_can_learn_more_slowly(tmp_path):
    torch.manual_seed(0)
    network = nn.ModuleDict({"fast": nn.Linear(1, 1, bias=False), "slow": nn.Linear(1, 1, bias=False)})
    before = {name: part.weight.detach().clone() for name, part in network.items()}
    plan = Plan(steps=1, rate=0.1, warmup=1, decay=0.0, average=0.0, slower={"slow": 0.1})
    train(
        network, plan, lambda step: sum(p.float().sum() for p in network.parameters()), tmp_path / "c", "cpu"
    )
    moved = {name: (part.weight - before[name]).abs().item() for name, part in network.items()}
    assert moved["slow"] == pytest.approx(0.1 * moved["fast"], rel=1e-3)


def test_crops_are_windows_in_range():
    pictures = (
        torch.arange(2 * 3 * 16 * 16, dtype=torch.int64).remainder(256).to(torch.uint8).view(2, 3, 16, 16)
    )
    window = crops(pictures, 5, 8, torch.Generator().manual_seed(0))
    assert window.shape == (5, 3, 8, 8)
    assert window.min() >= -1
    assert window.max() <= 1


def test_a_windows_caption_names_the_things_inside():
    things = [
        ("sky", "blue", "plain"),
        ("cat", "red", "plain"),
        ("ball", "blue", "striped"),
        ("hat", "red", "plain"),
    ]
    shares = torch.tensor([[0.2, 0.8], [0.9, 0.2], [0.1, 0.01], [0.0, 0.0]])
    captions = {crop_caption(things, shares, random.Random(seed)) for seed in range(40)}
    assert all("cat" in caption and "ball" not in caption and "hat" not in caption for caption in captions)
    assert any("sky" in caption for caption in captions)
    assert any(caption.startswith("a ") for caption in captions)
    assert crop_caption(things[2:], shares[2:], random.Random(0)) == ""


def test_a_partial_caption_names_as_many_things_as_it_is_told():
    things = [("sky", "blue", "plain"), ("girl", "", "plain"), ("scarf", "red", "striped")]

    def named(count):
        captions = [partial_caption(things, count, random.Random(seed)) for seed in range(100)]
        return {sum(noun in caption for noun, _, _ in things) for caption in captions}

    assert [named(count) for count in (1, 2, 5)] == [{1}, {2}, {3}]
    assert "a striped red scarf" in {partial_caption(things, 1, random.Random(seed)) for seed in range(100)}
    assert partial_caption([], 1, random.Random(0)) == ""


@pytest.fixture(scope="module")
def encoded(tmp_path_factory):
    """An untrained autoencoder with the latents of three scenes, in two files."""
    torch.manual_seed(0)
    vae, folder = autoencoder().eval(), tmp_path_factory.mktemp("latents")
    make_latents(vae, 0, 2, folder / "latents-0.safetensors", batch=1)
    make_latents(vae, 11, 1, folder / "latents-1.safetensors")
    return vae, read_latents(sorted(folder.glob("*.safetensors")))


@pytest.mark.slow
def test_latents_are_written_and_read_back(encoded):
    _, data = encoded
    assert data.latents.shape == (3, 4, 32, 32)
    for index, seed in enumerate((0, 1, 11)):
        sample = cached_scene(seed, "train")
        assert data.captions[index] == sample.caption
        assert [noun for noun, _, _ in data.things[index]] == [thing.noun for thing in sample.things]
        rows = data.covers[data.first[index] : data.first[index] + len(sample.things)].float() / 255
        assert rows.mean((1, 2)) == pytest.approx([t.mask.mean() for t in sample.things], abs=0.01)


def test_a_window_is_around_the_thing_and_within_the_scene():
    corner, low = torch.zeros(32, 32), torch.zeros(32, 32)
    corner[0, 31] = low[20, 8] = 255.0
    assert window_at(corner, random.Random(0), jitter=0) == (0, 16)
    assert window_at(low, random.Random(0), jitter=0) == (12, 0)
    places = {window_at(low, random.Random(seed)) for seed in range(40)}
    assert len(places) > 10
    assert all(0 <= y <= 16 and 0 <= x <= 16 for y, x in places)


def test_the_judges_labels_are_the_topmost_sheets():
    sample = cached_scene(83, "test")
    labels = labels_of(sample)
    assert {CLASSES[i] for i in set(labels.ravel())} <= {t.noun for t in sample.things}
    hat = next(t for t in sample.objects if t.noun == "hat")
    assert (labels[hat.mask] == CLASSES.index("hat")).mean() > 0.97
    figure = next(t for t in sample.objects if t.noun in ("girl", "boy"))
    assert (labels[figure.mask] == CLASSES.index(figure.noun)).mean() < 0.7, (
        "clothes are classes of their own"
    )


def test_the_judge_answers_at_half_size_and_learns_from_spoiled_pictures():
    pictures = torch.zeros(2, 3, 32, 48, dtype=torch.uint8)
    generator = torch.Generator().manual_seed(0)
    spoiled = spoil(pictures, generator)
    judge = Judge().eval()
    assert judge(spoiled).shape == (2, len(CLASSES), 16, 24)
    truth = torch.zeros(2, 32, 48, dtype=torch.uint8)
    assert judge_loss(judge, spoiled, truth, torch.ones(len(CLASSES))).isfinite()


def test_a_rare_class_weighs_more_by_the_root_of_its_share():
    classes = torch.tensor([[[0] * 9 + [1]] * 10, [[0] * 9 + [2]] * 10])
    weights = class_weights(classes)
    assert weights.mean() == pytest.approx(1.0)
    assert weights[1] / weights[0] == pytest.approx((180 / 10) ** 0.5)
    assert weights[1] == weights[2]


@pytest.mark.slow
def test_a_unet_is_trained_continued_and_written_as_a_pipeline(encoded, tmp_path):
    """Train new networks on windows, then on a whole scene; then train the written pipeline further."""
    from diffusers import StableDiffusionPipeline

    vae, data = encoded
    first = train_unet(tmp_path, deepcopy(vae), data, steps=2, crops=1, seed=1, device="cpu", sizes=(2, 1))
    assert first.vae.config.scaling_factor == pytest.approx(float(1 / data.latents.float().std()), rel=1e-3)
    written = StableDiffusionPipeline.from_pretrained(tmp_path / "pipeline")
    (tmp_path / "unet.checkpoint").unlink()
    more = train_unet(tmp_path, written.vae, data, 1, 0, 2, "cpu", sizes=(1, 1), start=written)
    assert more.vae.config.scaling_factor == first.vae.config.scaling_factor
    assert not torch.equal(more.unet.conv_in.weight, first.unet.conv_in.weight)
