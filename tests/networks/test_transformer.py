"""The encoder layer equals that of torch; sizes that do not fit are refused."""

import numpy as np
import pytest

from tests.networks.sequence_networks import FEATURES, random_network
from xsm.errors import InputError
from xsm.networks.registry import network
from xsm.networks.transformer import encoder_layer


def test_the_encoder_is_that_of_torch():
    torch = pytest.importorskip("torch")
    params, config = random_network("transformer")
    layer = torch.nn.TransformerEncoderLayer(
        8, 2, config["ffn_width"], dropout=0.0, batch_first=True, norm_first=True
    )
    p = {key.removeprefix("encoder."): torch.from_numpy(v) for key, v in params.items()}
    joined = [
        torch.cat([p[f"{n}.{e}"] for n in ("query", "key", "value")]) for e in ("weight", "bias")
    ]
    state = {"self_attn.in_proj_weight": joined[0], "self_attn.in_proj_bias": joined[1]}
    names = {
        "self_attn.out_proj": "out_proj", "linear1": "ffn_up", "linear2": "ffn_down",
        "norm1": "norm1", "norm2": "norm2",
    }  # fmt: skip
    for theirs, ours in names.items():
        state |= {f"{theirs}.{end}": p[f"{ours}.{end}"] for end in ("weight", "bias")}
    layer.load_state_dict(state)
    x = np.random.default_rng(5).standard_normal((2, 11, 8)).astype(np.float32)
    found, _ = encoder_layer(params, x, "encoder", 2, None)
    layer.train()  # eval() would take a fused path
    np.testing.assert_allclose(found, layer(torch.from_numpy(x)).detach().numpy(), atol=2e-5)


def test_sizes_that_do_not_fit_are_refused():
    with pytest.raises(InputError, match="hidden=10 with heads=4"):
        network("transformer").default_config(FEATURES, hidden=10)
