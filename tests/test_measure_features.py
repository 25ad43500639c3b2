"""Feature networks: resizers, our own SqueezeNet and Inception, files and their mistakes, tables and their cache."""

from __future__ import annotations

import importlib.util
import json
import math
import pickle
import sys
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image
from references import reference
from torch import nn

from leafwing.core import tensors
from leafwing.core.errors import BadConfig, BadData
from leafwing.measure import features, fid_weights, panel, pixels, pretrained, squeezenet, table
from leafwing.measure.inception import Inception
from leafwing.measure.network import Network
from leafwing.measure.resizers import resize


def noise(n: int = 2, side: int = 20, channels: int = 3, seed: int = 0) -> torch.Tensor:
    """Pictures uint8 [n, c, side, side]."""
    shape = (n, channels, side, side)
    return torch.from_numpy(np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8))


# ------------------------------------------------------------------------------------------------ resizers


@pytest.mark.parametrize(("side", "to"), [(64, 29), (20, 57)])
def test_clean_resizer_is_pillows_bicubic_on_floats(side, to):
    pictures = noise(side=side)
    ours = resize(pictures.float(), to, "clean")
    for picture, resized in zip(pictures, ours, strict=True):
        for channel, wide in zip(picture.numpy(), resized, strict=True):
            image = Image.fromarray(channel.astype(np.float32)).resize((to, to), Image.Resampling.BICUBIC)
            np.testing.assert_allclose(wide, np.asarray(image).clip(0, 255), atol=2e-3)


@pytest.mark.parametrize(("side", "to"), [(8, 16), (64, 29), (13, 13)])
def test_legacy_resizer_is_tensorflows(side, to):
    """Written out from its definition, one output pixel at a time."""
    x = noise(1, side, 1)[0, 0].double().numpy()
    wide = np.empty((to, to))
    for i in range(to):
        for j in range(to):
            y, z = i * side / to, j * side / to
            a, b = int(y), int(z)
            c, d = min(a + 1, side - 1), min(b + 1, side - 1)
            p, q = y - a, z - b
            wide[i, j] = (1 - p) * ((1 - q) * x[a, b] + q * x[a, d]) + p * ((1 - q) * x[c, b] + q * x[c, d])
    ours = resize(torch.from_numpy(x)[None, None].float(), to, "legacy")[0, 0]
    np.testing.assert_allclose(ours, wide, atol=2e-3)


def test_legacy_resizer_agrees_with_torch_fidelity():
    theirs = reference("torch_fidelity.interpolate_compat_tensorflow").interpolate_bilinear_2d_like_tensorflow1x
    x = noise(side=32).float()
    torch.testing.assert_close(
        resize(x, 75, "legacy"), theirs(x, size=(75, 75), align_corners=False), atol=1e-3, rtol=0
    )


# ------------------------------------------------------------------------------------------------ networks


def weights_of(net: nn.Module, path, seed: int = 0) -> None:
    made = torch.Generator().manual_seed(seed)
    state = {}
    for name, value in net.state_dict().items():
        if value.ndim > 1:
            state[name] = torch.randn(value.shape, generator=made) * math.sqrt(2 / value[0].numel())
        else:
            state[name] = value + 0.05 if name.endswith(("weight", "bias")) else value.clone()
    path.write_bytes(tensors.to_bytes(state))


def test_squeezenet_is_the_published_one():
    """1,235,496 weights with the classifier of 512 x 1000 + 1000, the known size of version 1.1; 14 x 14 x 512."""
    net = squeezenet.SqueezeNet().eval()
    count = sum(p.numel() for p in net.parameters())
    assert count + 512 * 1000 + 1000 == 1_235_496
    with torch.inference_mode():
        assert net.features(torch.zeros(1, 3, 227, 227)).shape == (1, 512, 14, 14)
    assert "features.12.expand3x3.weight" in net.state_dict()


def test_squeezenet_sees_bgr_without_the_mean(tmp_path):
    weights_of(squeezenet.SqueezeNet(), tmp_path / "net.safetensors")
    net = features.load(str(tmp_path / "net.safetensors"))  # told by its content
    assert (net.name, net.dim, net.standard) == ("squeezenet", 512, False)
    mean = torch.tensor([123.0, 117.0, 104.0])[:, None, None].expand(1, 3, 227, 227)
    assert torch.equal(squeezenet.prepared(mean), torch.zeros(1, 3, 227, 227))
    red = torch.zeros(1, 3, 4, 4)
    red[:, 0] = 255
    assert squeezenet.prepared(red)[0, :, 0, 0].tolist() == [-104, -117, 132]
    assert net(noise(2, 20, 1)).shape == (2, 512)  # grey becomes three channels
    assert net.protocol()["side"] == 227


def test_inception_has_the_published_weights_names_and_shapes():
    """Names as in the published file; as many numbers as torchvision's without its side branch, and 8 more outputs."""
    with torch.device("meta"):
        net = Inception()
    shapes = {name: tuple(p.shape) for name, p in net.named_parameters()}
    assert shapes["Mixed_7c.branch3x3dbl_3b.conv.weight"] == (384, 384, 3, 1)
    assert shapes["Mixed_6b.branch7x7dbl_2.conv.weight"] == (128, 128, 7, 1)
    assert shapes["fc.weight"] == (1008, 2048)
    assert sum(math.prod(shape) for shape in shapes.values()) == 23_834_568 + 8 * 2049


@pytest.mark.proof
def test_inception_agrees_with_torch_fidelity(tmp_path):
    """On random weights, since the real ones are not shipped: pool3 and logits of pictures, resized the legacy way."""
    extractor = reference("torch_fidelity.feature_extractor_inceptionv3").FeatureExtractorInceptionV3
    path = tmp_path / "random.safetensors"
    weights_of(Inception(), path)
    state = tensors.from_bytes(path.read_bytes(), "random")
    torch.save(state, tmp_path / "random.pth")
    wanted = ["2048", "logits_unbiased"]
    theirs = extractor("x", wanted, feature_extractor_weights_path=str(tmp_path / "random.pth"))
    net = fid_weights.load(path)
    pictures = noise(2, 64)
    with torch.inference_mode():
        pooled, logits = theirs(pictures)
        ours = net(pictures)
        assert pooled.std() > 1e-3  # the signal came through
        torch.testing.assert_close(ours, pooled, rtol=1e-4, atol=1e-5 * float(pooled.abs().max()))
        torch.testing.assert_close(net.head(ours), logits, rtol=1e-4, atol=1e-5 * float(logits.abs().max()))


def test_only_the_standard_weights_are_called_fid(tmp_path, monkeypatch):
    path = tmp_path / "inception.safetensors"
    small = nn.Module()
    small.Mixed_7c, small.logits = nn.Linear(1, 1), None
    monkeypatch.setattr(fid_weights, "Inception", lambda: small)
    weights_of(small, path)
    net = features.load(f"inception={path}")
    assert net.name == "inception-unverified"
    assert panel.label("frechet", net) == "frechet[inception-unverified]"
    real = Network("inception", 2048, 299, "legacy", lambda x: x, standard=True)
    assert panel.label("frechet", real) == "fid"
    assert panel.label("kernel", real) == "kid"
    assert panel.label("frechet", real.with_resizer("clean")) == "fid[clean]"
    assert panel.label("precision", real) == "precision[inception]"
    with pytest.raises(BadConfig, match="inception=FILE"):
        panel.chosen(["fid"], pixels.load())
    assert panel.chosen(["fid", "recall"], real) == ["frechet", "recall"]


# ------------------------------------------------------------------------------------------------- mistakes


def test_weights_with_the_wrong_hash_are_refused(tmp_path):
    path = tmp_path / fid_weights.FILE
    path.write_bytes(pickle.dumps({"a": 1}))
    with pytest.raises(BadData, match="sha256 is .* instead of 6726825d0af5"):
        features.load(f"inception={path}")


def test_a_download_with_the_wrong_hash_is_not_kept(tmp_path, monkeypatch):
    monkeypatch.setenv("LEAFWING_CACHE", str(tmp_path / "cache"))
    (tmp_path / "sent").write_bytes(b"<html>404</html>")
    with pytest.raises(BadData, match="nothing was kept"):
        fid_weights.download(url=(tmp_path / "sent").as_uri())
    assert not list((tmp_path / "cache" / "features").iterdir())
    with pytest.raises(BadData, match="cannot be reached"):
        fid_weights.download(url=(tmp_path / "nothing").as_uri())


MISTAKES = {
    "vgg": "'vgg'",
    "pixel": "'pixels'",
    "squeezenet": "squeezenet=FILE",
    "inception": "--download",
    "{tmp}/missing.safetensors": "do not exist",
    "{tmp}/empty.safetensors": "empty.safetensors is no safetensors file",
    "{tmp}/other.safetensors": "FILE.py:Class",
    "squeezenet={tmp}/other.safetensors": "torchvision's names",
    "{tmp}/empty.onnx": "empty.json beside it",
    "{tmp}/stated.onnx": "",
    "net.py:Net": "needs weights",
    "dinov2={tmp}": "dinov2",
    "clip": "clip",
}


@pytest.mark.parametrize("wanted", MISTAKES)
def test_mistakes_get_one_sentence(wanted, tmp_path, monkeypatch):
    monkeypatch.setenv("LEAFWING_CACHE", str(tmp_path / "cache"))
    for name in ("empty.safetensors", "empty.onnx", "stated.onnx"):
        (tmp_path / name).write_bytes(b"")
    (tmp_path / "stated.json").write_text('{"side": 8}')
    (tmp_path / "other.safetensors").write_bytes(tensors.to_bytes({"weight": torch.zeros(3)}))
    with pytest.raises((BadConfig, BadData), match=".") as caught:
        features.load(wanted.format(tmp=tmp_path))
    said = str(caught.value)
    assert MISTAKES[wanted] in said
    assert "\n" not in said


def test_faces_is_a_hook_for_the_factor_network():
    if importlib.util.find_spec(features.FACTORS):
        net = features.load("faces")
        assert net(noise(3, 32)).shape == (3, net.dim)
        assert features.default_for("world:faces") == "faces"
    else:
        with pytest.raises(BadConfig, match="pixels"):
            features.load("faces")
        assert features.default_for("world:faces") == "pixels"
    assert features.default_for("my/pictures") == "pixels"


# ------------------------------------------------------------------------------------- networks of one's own

NET = """
import torch
class Net(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = torch.nn.Conv2d(3, 4, 3)
    def forward(self, x):
        return self.conv(x)
"""


def test_a_class_of_ones_own_with_its_preprocessing(tmp_path):
    (tmp_path / "net.py").write_text(NET)
    weight, bias = torch.randn(4, 3, 3, 3), torch.randn(4)
    (tmp_path / "w.safetensors").write_bytes(tensors.to_bytes({"conv.weight": weight, "conv.bias": bias}))
    card = {"side": 8, "order": "BGR", "scale": 255, "mean": [0.1, 0.2, 0.3], "std": [1, 2, 3], "resizer": "area"}
    (tmp_path / "w.json").write_text(json.dumps(card))
    net = features.load(f"{tmp_path}/net.py:Net={tmp_path}/w.safetensors")
    x = noise(2, 8).float()
    mean, std = (torch.tensor(card[part])[:, None, None] for part in ("mean", "std"))
    truth = torch.conv2d((x.flip(1) / 255 - mean) / std, weight, bias).mean((2, 3))
    torch.testing.assert_close(net(x), truth)
    assert (net.name, net.dim, net.side, net.resizer) == ("w", 4, 8, "area")
    (tmp_path / "w.json").write_text('{"sid": 8}')
    with pytest.raises(BadConfig, match="side"):
        features.load(f"{tmp_path}/net.py:Net={tmp_path}/w.safetensors")


def test_an_onnx_file_with_its_preprocessing(tmp_path):
    onnx = pytest.importorskip("onnx")
    pytest.importorskip("onnxruntime")
    helper, kind = onnx.helper, onnx.TensorProto.FLOAT
    graph = helper.make_graph(
        [helper.make_node("GlobalAveragePool", ["x"], ["p"]), helper.make_node("Flatten", ["p"], ["y"])],
        "mean",
        [helper.make_tensor_value_info("x", kind, ["n", 3, 8, 8])],
        [helper.make_tensor_value_info("y", kind, ["n", 3])],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.save(model, str(tmp_path / "mean.onnx"))
    (tmp_path / "mean.json").write_text('{"side": 8, "scale": 2}')
    net = features.load(str(tmp_path / "mean.onnx"))
    x = noise(5, 8).float()
    torch.testing.assert_close(net(x), x.mean((2, 3)) / 2)


class Saved(nn.Module):
    """What transformers gives back, as far as it is used."""

    def forward(self, pixel_values):
        mean = pixel_values.mean((2, 3))
        return SimpleNamespace(last_hidden_state=torch.stack([mean, 0 * mean], 1), image_embeds=mean[:, :2])


@pytest.mark.parametrize(("name", "dim"), [("dinov2", 3), ("clip", 2)])
def test_pretrained_models_are_read_from_a_folder_only(name, dim, tmp_path, monkeypatch):
    def from_pretrained(folder, local_files_only):
        assert (folder, local_files_only) == (str(tmp_path), True)
        return Saved()

    maker = SimpleNamespace(from_pretrained=from_pretrained)
    fake = SimpleNamespace(AutoModel=maker, CLIPVisionModelWithProjection=maker)
    monkeypatch.setitem(sys.modules, "transformers", fake)
    with pytest.raises(BadData, match="holds no model"):
        features.load(f"{name}={tmp_path}")
    (tmp_path / "model.safetensors").write_bytes(b"weights")
    net = features.load(f"{name}={tmp_path}")
    mean, std = (torch.tensor(part) for part in pretrained.COLOURS[name])
    white = torch.full((1, 3, 10, 10), 255, dtype=torch.uint8)
    torch.testing.assert_close(net(white)[0], ((1 - mean) / std)[:dim])  # the class token, or the embedding
    assert (net.name, net.dim, net.side) == (name, dim, 224)


# --------------------------------------------------------------------------------------------------- tables


def batches(pictures, size=7):
    rows = pictures.permute(0, 2, 3, 1).numpy()
    return [rows[i : i + size] for i in range(0, len(rows), size)]


def test_a_kept_table_is_found_again_and_a_damaged_one_is_made_again(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("LEAFWING_CACHE", str(tmp_path))
    pictures, net, asked = noise(30, 16), pixels.load(side=4), []

    def stream():
        asked.append(1)
        return batches(pictures)

    def get(identity="one", network=net):
        return table.kept({"fingerprint": identity}, stream, 30, network, "noise")

    first = get()
    np.testing.assert_allclose(first.rows, net(pictures), rtol=1e-6)
    torch.testing.assert_close(get().moments.covariance, torch.from_numpy(np.cov(first.rows.astype(float).T)))
    assert len(asked) == 1
    get("another")
    get(network=net.with_resizer("legacy"))
    assert len(asked) == 3  # other data, another resizer: other features
    for name in (table.STATISTICS, table.FEATURES, table.META):
        (folder,) = (p.parent for p in (tmp_path / "measures").glob("*/meta.json")
                     if '"one"' in p.read_text() and '"clean"' in p.read_text())  # fmt: skip
        (folder / name).write_bytes(b"")
        np.testing.assert_array_equal(get().rows, first.rows)
        assert "damaged: they are computed again" in capsys.readouterr().err
        if name == table.META:
            assert len(asked) == 6


def test_features_with_nan_name_the_picture(tmp_path, monkeypatch):
    monkeypatch.setenv("LEAFWING_CACHE", str(tmp_path))

    def broken(x):
        y = x.flatten(1)[:, :4].clone()
        y[(x.flatten(1).sum(1) == 0), 0] = math.nan
        return y

    net = Network("broken", 4, 8, "area", broken)
    pictures = noise(20, 8)
    pictures[13] = 0
    with pytest.raises(BadData, match="broken features of picture 13 of noise are not finite"):
        table.extract(batches(pictures), 20, net, "noise")
    with pytest.raises(BadData, match="picture 13"):
        table.kept({}, lambda: batches(pictures), 20, net, "noise")
    assert not list((tmp_path / "measures").iterdir())


def test_a_table_reads_a_long_stream_in_little_memory(tmp_path, monkeypatch):
    """The rows lie in a file: 5,000 pictures of 3,072 features are 61 MB, of which a batch at a time is held."""
    monkeypatch.setenv("LEAFWING_CACHE", str(tmp_path))
    import resource

    net = Network("wide", 3072, None, "area", lambda x: x.flatten(1).repeat(1, 16))
    batch = noise(100, 8).permute(0, 2, 3, 1).numpy()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    made = table.extract((batch for _ in range(50)), 5000, net, "noise")
    assert made.rows.shape == (5000, 3072)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 40_000  # kB
    assert [p.name for p in tmp_path.iterdir()] == []  # the file is gone with the table
