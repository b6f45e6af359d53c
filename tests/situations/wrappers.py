"""Networks of PyTorch in wrappers, beside copies of themselves, and several in one tree."""

from types import SimpleNamespace

import numpy as np

from models import linear, mlp, part, sequential
from readings import CRITIC, DIFFERS, MIRROR, OPEN, OTHER, PLAIN, SQUARE, STATE, TORCH, layers_of, prefixed, row, state

RNG = np.random.default_rng(11)

ADAM_FLAT = {
    f"optimizer.state.{i}.{k}": np.ones_like(a) for i, a in enumerate(STATE.values()) for k in ("exp_avg", "exp_avg_sq")
}
ENSEMBLE = {
    f"models.{i}.{n}.{k}": a
    for i in range(3)
    for n, pair in zip(TORCH, layers_of(RNG, 8, 8, 8, 8), strict=True)
    for k, a in zip(("weight", "bias"), pair, strict=True)
}
TWINS = {**prefixed("q1.", state(SQUARE, *TORCH)), **prefixed("q2.", state(layers_of(RNG, 8, 8, 8, 8), *TORCH))}

ROWS = [
    row("fsdp", prefixed("_fsdp_wrapped_module.", STATE), PLAIN),
    row("ddp compiled fsdp", prefixed("module._orig_mod._fsdp_wrapped_module.", STATE), PLAIN),
    row("checkpoint wrapper", {k.replace(".", "._checkpoint_wrapped_module."): a for k, a in STATE.items()}, PLAIN),
    row("averaged", {"n_averaged": np.int64(4), **prefixed("module.", STATE)}, PLAIN),
    row(
        "averaged after training",
        {"model": STATE, "swa_model": {"n_averaged": np.int64(4), **prefixed("module.", state(OTHER, *TORCH))}},
        PLAIN,
        "several networks: 'model' .3 layers., 'swa_model",
    ),
    row(
        "model and ema",
        {"model": STATE, "model_ema": state(OTHER, *TORCH), "epoch": 3},
        PLAIN,
        "several networks: 'model' .3 layers., 'model_ema' .3 layers..*layers=.'model'.",
    ),
    row(
        "online and ema",
        {
            **prefixed("online_model.", STATE),
            **prefixed("ema_model.", state(OTHER, *TORCH)),
            "initted": np.array(True),
            "step": np.array(7),
        },
        PLAIN,
        "several networks: 'online_model'",
    ),
    row(
        "lightning ema",
        {"state_dict": {**prefixed("net.", STATE), **prefixed("net_ema.", state(OTHER, *TORCH))}},
        PLAIN,
        "several networks: 'state_dict.net'",
    ),
    row(
        "model and best",
        {"model": STATE, "best_model": state(OTHER, *TORCH), "best_acc": 0.9},
        PLAIN,
        "several networks: 'model' .3 layers., 'best_model'",
    ),
    row("model chosen", {"model": STATE, "best_model": state(OTHER, *TORCH)}, PLAIN, layers=["model"]),
    row("best state", {"state_dict": STATE, "best_state_dict": state(OTHER, *TORCH)}, PLAIN, "several networks"),
    row(
        "actor and critic",
        {**prefixed("actor.", STATE), **prefixed("critic.", state(CRITIC, "0", "2"))},
        PLAIN,
        "several networks: 'actor' .3 layers., 'critic' .2 layers.",
    ),
    row(
        "actor and critic square",
        {**prefixed("actor.", state(SQUARE, *TORCH)), **prefixed("critic.", state(layers_of(RNG, 8, 8, 1), "0", "2"))},
        SQUARE,
        "several networks: 'actor'",
    ),
    row(
        "actor chosen",
        {**prefixed("actor.", STATE), **prefixed("critic.", state(CRITIC, "0", "2"))},
        PLAIN,
        layers=["actor"],
    ),
    row(
        "generator and discriminator",
        {**prefixed("generator.", state(MIRROR, "0", "2")), **prefixed("discriminator.", state(CRITIC, "0", "2"))},
        MIRROR,
        "several networks: 'generator'",
    ),
    row("twin critics", TWINS, SQUARE, "several networks: 'q1' .3 layers., 'q2' .3 layers."),
    row(
        "student and teacher",
        {**prefixed("student.", state(SQUARE, *TORCH)), **prefixed("teacher.", state(SQUARE[::-1], *TORCH))},
        SQUARE,
        "several networks: 'student'",
    ),
    row(
        "ensemble",
        ENSEMBLE,
        SQUARE,
        "several networks: 'models.0' .3 layers., 'models.1'",
        True,
        function=mlp([(ENSEMBLE[f"models.1.{n}.weight"], ENSEMBLE[f"models.1.{n}.bias"]) for n in TORCH]),
    ),
    row(
        "blocks",
        {
            f"blocks.{i}.{n}.{k}": a
            for i in range(2)
            for n, pair in zip("02", SQUARE[2 * i : 2 * i + 2] + SQUARE[:i], strict=True)
            for k, a in zip(("weight", "bias"), pair, strict=True)
        },
        [*SQUARE, SQUARE[0]],
        OPEN,
    ),
    row("flat optimiser", {**STATE, **ADAM_FLAT}, PLAIN),
    row(
        "flat optimiser of a sharded checkpoint",
        {**prefixed("model.", STATE), **{f"optim.state.{k}.exp_avg": np.ones_like(a) for k, a in STATE.items()}},
        PLAIN,
    ),
    row(
        "moments beside weights", {**STATE, **{f"{k}.exp_avg": np.ones_like(a) for k, a in STATE.items()}}, PLAIN, True
    ),
    row("momentum buffers", {**STATE, **{f"{k}.momentum_buffer": np.ones_like(a) for k, a in STATE.items()}}, PLAIN),
    row(
        "loss module",
        part(
            "Model",
            module="home",
            children=[
                (
                    "net",
                    sequential(linear(*PLAIN[0]), part("ReLU"), linear(*PLAIN[1]), part("ReLU"), linear(*PLAIN[2])),
                ),
                ("criterion", part("CrossEntropyLoss", module="torch.nn.modules.loss")),
            ],
        ),
        PLAIN,
    ),
    row(
        "dropout of channels",
        sequential(
            linear(*PLAIN[0]), part("ReLU"), part("Dropout1d"), linear(*PLAIN[1]), part("ReLU"), linear(*PLAIN[2])
        ),
        PLAIN,
    ),
    row("gaps in numbers", state(PLAIN, "1", "4", "8"), PLAIN),
    row(
        "skorch",
        SimpleNamespace(
            module_=sequential(linear(*PLAIN[0]), part("ReLU"), linear(*PLAIN[1]), part("ReLU"), linear(*PLAIN[2])),
            module=len,
            fit=len,
            get_params=len,
        ),
        PLAIN,
    ),
    row(
        "scripted",
        part(
            "RecursiveScriptModule",
            module="torch.jit._script",
            original_name="Sequential",
            children=[
                (
                    "0",
                    part(
                        "RecursiveScriptModule",
                        module="torch.jit._script",
                        original_name="Linear",
                        state=[("weight", PLAIN[0][0]), ("bias", PLAIN[0][1])],
                    ),
                ),
                ("1", part("RecursiveScriptModule", module="torch.jit._script", original_name="Tanh")),
                (
                    "2",
                    part(
                        "RecursiveScriptModule",
                        module="torch.jit._script",
                        original_name="Linear",
                        state=[("weight", CRITIC[1][0]), ("bias", CRITIC[1][1])],
                    ),
                ),
            ],
        ),
        [PLAIN[0], CRITIC[1]],
        "'1' is of the kind Tanh",
        f"{DIFFERS}.*tanh in place of ReLU",
        function=mlp([PLAIN[0], CRITIC[1]], np.tanh),
    ),
    row("exported program", SimpleNamespace(state_dict=STATE, graph_module=None), PLAIN),
    row(
        "cleanrl",
        {
            **state(CRITIC, "critic.0", "critic.2"),
            **state(PLAIN, *(f"actor_mean.{n}" for n in TORCH)),
            "actor_logstd": np.zeros((1, 3)),
        },
        PLAIN,
        "several networks: 'critic' .2 layers., 'actor_mean' .3 layers.",
    ),
    row("log deviation as a row", {**STATE, "log_std": np.zeros((1, 3))}, PLAIN),
    row(
        "SAC",
        {
            **prefixed("actor.latent_pi.", state(PLAIN[:2], "0", "2")),
            **state(PLAIN[2:], "actor.mu"),
            **state(layers_of(RNG, 16, 3), "actor.log_std"),
            **prefixed("critic.qf0.", state(layers_of(RNG, 11, 16, 1), "0", "2")),
        },
        PLAIN,
        "several networks in these parts: 'actor.latent_pi' .2 layers.",
        "No reading|cannot follow",
    ),
    row(
        "tied decoder",
        {"encoder.weight": MIRROR[0][0], "encoder.bias": MIRROR[0][1], "decoder_bias": MIRROR[1][1]},
        [MIRROR[0], (MIRROR[0][0].T, MIRROR[1][1])],
        "'decoder_bias': these are vectors without a matrix",
        "No reading",
    ),
]
