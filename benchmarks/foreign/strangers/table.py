"""The mistakes: of each right port, three changes of its text.

FAMILIES has the pairs by what they are, and MISTAKES of each pair its mistakes.
"""

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from benchmarks.foreign.case import RIGHT, Case

FOLDER = Path(__file__).parent


@dataclass(frozen=True)
class Mistake:
    """A mistake in a port.

    Attributes:
        name: of the port.
        changes: pairs of texts, of which the second replaces each occurrence of the first.
        what: what the port then does.
        level: where the difference was expected, in words, before a check was run.
        cause: what a reader wants to be told.
    """

    name: str
    changes: tuple[tuple[str, str], ...]
    what: str
    level: str
    cause: str


FAMILIES = {
    "own train_step": ["cgan", "vae_anneal", "ddim_ema", "fgsm"],
    "masks and recurrence": ["packed_bilstm", "seq2seq", "stateful_gru", "convlstm"],
    "attention": ["vit", "mini_gpt", "perceiver", "relpos"],
    "several inputs and outputs": ["multitask", "siamese", "two_towers", "sparse_ae"],
    "convolution networks": ["unet", "resnet_aug", "mobile_se", "aspp"],
    "tables, series, graph, RL": ["wide_deep", "wavenet", "gcn", "dqn"],
}

MISTAKES = {
    "cgan": (
        Mistake(
            "generator_betas",
            (
                (
                    "KerasAdam(net.generator.parameters(), lr=2e-4, betas=(0.5, 0.999))",
                    "KerasAdam(net.generator.parameters(), lr=2e-4)",
                ),
            ),
            "The generator's Adam has the default beta_1 of 0.9; Keras's has 0.5.",
            "optimizer",
            "beta_1 of the second optimizer",
        ),
        Mistake(
            "leaked_gradients",
            (
                (
                    "fake = net.generator(torch.cat([noise, one_hot], 1)).detach()",
                    "fake = net.generator(torch.cat([noise, one_hot], 1))",
                ),
                (
                    "        d_optimizer.zero_grad()\n",
                    "        d_optimizer.zero_grad()\n        g_optimizer.zero_grad()\n",
                ),
                (
                    "        g_optimizer.zero_grad()\n        g_loss.backward()",
                    "        g_loss.backward()",
                ),
            ),
            "The fakes are not detached and all gradients are cleared only at the start of the step, so the generator also gets the gradient of the discriminator's loss.",
            "gradient",
            "gradients of the other loss accumulate",
        ),
        Mistake(
            "last_slope",
            (("F.leaky_relu(self.up2(x), 0.2)", "F.leaky_relu(self.up2(x))"),),
            "The last leaky ReLU of the generator has torch's default slope 0.01 in place of 0.2.",
            "output",
            "slope of a leaky ReLU",
        ),
    ),
    "vae_anneal": (
        Mistake(
            "variance_as_deviation",
            (
                (
                    "torch.exp(0.5 * log_var) * torch.randn_like",
                    "torch.exp(log_var) * torch.randn_like",
                ),
            ),
            "The sampling multiplies the noise by the variance in place of the standard deviation.",
            "output",
            "exp(log_var) for exp(0.5 log_var)",
        ),
        Mistake(
            "annealed_after",
            (
                ("        vae.kl_weight.add_(0.1).clamp_(max=1.0)\n", ""),
                (
                    "        optimizer.step()\n",
                    "        optimizer.step()\n        vae.kl_weight.add_(0.1).clamp_(max=1.0)\n",
                ),
                (
                    "loss = reconstruction + vae.kl_weight * kl",
                    "loss = reconstruction + vae.kl_weight.clone() * kl",
                ),
            ),
            "The weight of the KL term is raised after the step in place of before it, so each step uses that of the step before.",
            "loss",
            "KL annealing one step late",
        ),
        Mistake(
            "symmetric_crop",
            (
                (
                    "nn.ConvTranspose2d(8, 6, 3, stride=2)",
                    "nn.ConvTranspose2d(8, 6, 3, stride=2, padding=1, output_padding=1)",
                ),
                ("self.up2(x)[..., :-1, :-1]", "self.up2(x)"),
            ),
            "The second transposed convolution crops the first row and column (padding=1, output_padding=1); Keras's 'same' crops the last.",
            "output",
            "crop of a transposed convolution",
        ),
    ),
    "ddim_ema": (
        Mistake(
            "mean_backward",
            (
                (
                    "loss.sum().backward()  # the tape of Keras adds up what is not a scalar",
                    "loss.mean().backward()",
                ),
            ),
            "The gradient is that of the mean over the batch; Keras's tape differentiates a loss for each sample, which is their sum.",
            "gradient",
            "mean for sum over the batch",
        ),
        Mistake(
            "rates_for_variances",
            (("model.network(noisy, noise_rates**2)", "model.network(noisy, noise_rates)"),),
            "The network is told the noise rates in place of the noise variances, their squares.",
            "gradient (the loss of the first step too, if the last kernel is not zero)",
            "noise rate not squared",
        ),
        Mistake(
            "ema_without_buffers",
            (
                (
                    "[*model.ema_network.parameters(), *model.ema_network.buffers()]",
                    "model.ema_network.parameters()",
                ),
                (
                    "[*model.network.parameters(), *model.network.buffers()]",
                    "model.network.parameters()",
                ),
            ),
            "The moving average covers the parameters only, not the moving statistics of the normalisations.",
            "trajectory (weights after a step)",
            "EMA leaves the buffers out",
        ),
    ),
    "fgsm": (
        Mistake(
            "attack_accumulates",
            (
                (
                    "    (gradient,) = torch.autograd.grad(loss, images)\n",
                    "    loss.backward()\n    gradient = images.grad\n",
                ),
            ),
            "The attack calls backward, after zero_grad: the weights keep its gradient, which is added to that of the training loss.",
            "gradient",
            "gradient of the attack accumulates",
        ),
        Mistake(
            "one_batch",
            (
                (
                    "        clean_loss = F.cross_entropy(model(images), labels)\n        adversarial_loss = F.cross_entropy(model(perturbed), labels)\n",
                    "        clean, adversarial = model(torch.cat([images, perturbed])).chunk(2)\n        clean_loss = F.cross_entropy(clean, labels)\n        adversarial_loss = F.cross_entropy(adversarial, labels)\n",
                ),
            ),
            "Clean and perturbed images go through the network as one batch, so that they share the statistics of batch normalisation.",
            "loss (training mode)",
            "batch statistics over both halves",
        ),
        Mistake(
            "clip_each",
            (("clip_by_global_norm_", "clip_by_norm_"),),
            "Each gradient is clipped by its own norm; Keras's global_clipnorm takes the norm of all.",
            "optimizer",
            "clipnorm for global_clipnorm",
        ),
    ),
    "packed_bilstm": (
        Mistake(
            "last_valid_step",
            (
                (
                    "from torch.nn.utils.rnn import pack_padded_sequence",
                    "from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence",
                ),
                (
                    "        _, (h, _) = self.lstm(packed)\n        x = torch.cat([h[-2], h[-1]], dim=1)\n",
                    "        outputs, _ = self.lstm(packed)\n        outputs, lengths = pad_packed_sequence(outputs, batch_first=True)\n        x = outputs[torch.arange(len(outputs)), lengths - 1]\n",
                ),
            ),
            "Both directions are read at the last step of each sequence; the backward one ends at the first step.",
            "output",
            "backward direction read at the wrong end",
        ),
        Mistake(
            "torch_rmsprop",
            (
                (
                    "KerasRMSprop(trained, lr=2e-3)",
                    "torch.optim.RMSprop(trained, lr=2e-3, alpha=0.9, eps=1e-7)",
                ),
                (
                    "from ..compat import KerasRMSprop, glorot_, lstm_",
                    "from ..compat import glorot_, lstm_",
                ),
            ),
            "torch's RMSprop adds epsilon to the root; Keras adds it below the root.",
            "optimizer",
            "epsilon of RMSprop",
        ),
        Mistake(
            "two_biases",
            (
                (
                    "    trained = [p for p in net.parameters() if p.requires_grad]\n",
                    '    trained = list(net.lstm.requires_grad_(True).parameters())\n    trained += [p for n, p in net.named_parameters() if not n.startswith("lstm.")]\n',
                ),
            ),
            "Both biases of torch's LSTM are trained, so the bias, which is their sum, makes steps of twice the size.",
            "optimizer or weights after steps",
            "second bias of the LSTM is trained",
        ),
    ),
    "seq2seq": (
        Mistake(
            "states_swapped",
            (
                (
                    "self.decoder(self.target_embedding(target), (h, c))",
                    "self.decoder(self.target_embedding(target), (c, h))",
                ),
            ),
            "The decoder begins with the cell state as its hidden state and the other way round.",
            "output",
            "h and c exchanged",
        ),
        Mistake(
            "padding_counts",
            ((", ignore_index=0)", ")"),),
            "The loss is the mean over all steps; Keras's mask leaves out the padded ones.",
            "loss",
            "mask of the loss missing",
        ),
        Mistake(
            "forget_bias_twice",
            (
                (
                    "    lstm_(net.decoder)\n",
                    "    lstm_(net.decoder)\n    net.decoder.bias_hh_l0.data[WIDTH : 2 * WIDTH] = 1.0\n",
                ),
            ),
            "The forget gate of the decoder has a bias of one in both of torch's biases, in sum two; Keras begins with one.",
            "initial weights",
            "forget bias of two",
        ),
    ),
    "stateful_gru": (
        Mistake(
            "second_forgets",
            (("self.second(x, self.state2)", "self.second(x)"),),
            "The second GRU begins each batch from zeros; in Keras it is stateful.",
            "weights after steps (state)",
            "state not kept",
        ),
        Mistake(
            "gate_order",
            (("torch.cat([r, z, h], dim=-1)", "torch.cat([z, r, h], dim=-1)"),),
            "The own loading leaves the gates in Keras's order z, r, h; torch's is r, z, n.",
            "output",
            "order of the gates in load",
        ),
        Mistake(
            "no_nesterov",
            ((", nesterov=True)", ")"),),
            "SGD with ordinary momentum in place of Nesterov's.",
            "optimizer",
            "nesterov missing",
        ),
    ),
    "convlstm": (
        Mistake(
            "hard_sigmoid",
            (
                (
                    "c = torch.sigmoid(f) * c + torch.sigmoid(i) * self.activation(g)",
                    "c = F.hardsigmoid(f) * c + F.hardsigmoid(i) * self.activation(g)",
                ),
                (
                    "h = torch.sigmoid(o) * self.activation(c)",
                    "h = F.hardsigmoid(o) * self.activation(c)",
                ),
            ),
            "The gates have the hard sigmoid, Keras 2's default of ConvLSTM2D; Keras 3's is the sigmoid.",
            "output",
            "hard sigmoid in the gates",
        ),
        Mistake(
            "forget_bias_place",
            (
                (
                    "self.conv_x.bias[self.filters : 2 * self.filters] = 1.0",
                    "self.conv_x.bias[: self.filters] = 1.0",
                ),
            ),
            "The bias of one is given to the input gate in place of the forget gate.",
            "initial weights",
            "unit_forget_bias at another gate",
        ),
        Mistake(
            "unbiased_variance",
            (
                (
                    "self.norm = BatchNorm3d(3)",
                    "self.norm = nn.BatchNorm3d(3, eps=1e-3, momentum=0.01)",
                ),
                ("from ..compat import BatchNorm3d, glorot_", "from ..compat import glorot_"),
            ),
            "torch's batch normalisation keeps the unbiased variance, Keras's the biased one.",
            "training mode (moving variance)",
            "unbiased moving variance",
        ),
    ),
    "vit": (
        Mistake(
            "tanh_gelu",
            (
                (
                    "            nn.Linear(2 * DIM, DIM),\n            nn.GELU(),",
                    '            nn.Linear(2 * DIM, DIM),\n            nn.GELU(approximate="tanh"),',
                ),
            ),
            "The second GELU of each block is the tanh approximation; keras.activations.gelu is the exact one.",
            "output",
            "approximate GELU",
        ),
        Mistake(
            "no_decay_groups",
            (
                (
                    "        optimizer=KerasAdam(net.parameters(), lr=1e-3, weight_decay=1e-2),\n",
                    '        optimizer=KerasAdam(\n            [\n                {"params": [p for p in net.parameters() if p.dim() > 1]},\n                {"params": [p for p in net.parameters() if p.dim() <= 1], "weight_decay": 0.0},\n            ],\n            lr=1e-3,\n            weight_decay=1e-2,\n        ),\n',
                ),
            ),
            "Biases and normalisations have no weight decay, as is usual in torch; Keras's AdamW decays all weights.",
            "optimizer",
            "weight decay not for all weights",
        ),
        Mistake(
            "untruncated",
            (("std=0.02, a=-0.04, b=0.04)", "std=0.02)"),),
            "trunc_normal_ keeps its default bounds of -2 and 2, so the class token is not cut at two deviations.",
            "initial weights",
            "bounds of the truncated normal",
        ),
    ),
    "mini_gpt": (
        Mistake(
            "sees_next",
            (("diagonal=1)", "diagonal=2)"),),
            "The causal mask begins one diagonal too late, so each token sees the next one.",
            "output",
            "causal mask off by one",
        ),
        Mistake(
            "packed_init",
            (
                (
                    "            for kernel in block.attention.in_proj_weight.chunk(3):\n                nn.init.xavier_uniform_(kernel)\n",
                    "            nn.init.xavier_uniform_(block.attention.in_proj_weight)\n",
                ),
            ),
            "Query, key and value are drawn as one packed matrix, whose fan_out is three times as large.",
            "initial weights",
            "fans of the packed projection",
        ),
        Mistake(
            "clip_each",
            (("clip_by_global_norm_", "clip_by_norm_"),),
            "Each gradient is clipped by its own norm; Keras's global_clipnorm takes the norm of all.",
            "optimizer",
            "clipnorm for global_clipnorm",
        ),
    ),
    "perceiver": (
        Mistake(
            "scale_of_model",
            (("/ q.shape[-1] ** 0.5", "/ latents.shape[-1] ** 0.5"),),
            "The scores of the cross attention are divided by the root of the model's width in place of key_dim.",
            "output",
            "scale of the attention",
        ),
        Mistake(
            "clip_global",
            (
                ("clip_by_norm_", "clip_by_global_norm_"),
                (
                    "lambda net: clip_by_global_norm_(net.parameters(), 0.2)",
                    "lambda net: clip_by_global_norm_(list(net.parameters()), 0.2)",
                ),
            ),
            "The gradients are clipped by their common norm; Keras's clipnorm clips each by its own.",
            "optimizer",
            "global_clipnorm for clipnorm",
        ),
        Mistake(
            "not_shared",
            (
                (
                    "self.transformer = LatentTransformer()",
                    "self.transformer = nn.ModuleList([LatentTransformer() for _ in range(2)])",
                ),
                (
                    "        for _ in range(2):\n            x = self.transformer(x)\n",
                    "        for transformer in self.transformer:\n            x = transformer(x)\n",
                ),
            ),
            "The two passes through the latent transformer have weights of their own; in Keras they share them.",
            "structure (gradient)",
            "weights not shared",
        ),
    ),
    "relpos": (
        Mistake(
            "scaled_scores",
            ((", attn_mask=bias[None], scale=1.0)", ", attn_mask=bias[None])"),),
            "The scores are divided by the root of the width of a head; the original does not scale.",
            "output",
            "scale of the attention",
        ),
        Mistake(
            "kaiming_normal",
            (
                (
                    "    std = math.sqrt(2 / weight.shape[1]) / 0.87962566103423978\n    nn.init.trunc_normal_(weight, std=std, a=-2 * std, b=2 * std)\n",
                    "    nn.init.kaiming_normal_(weight)\n",
                ),
            ),
            "kaiming_normal_ is not cut; Keras's he_normal is a truncated normal.",
            "initial weights",
            "he_normal not truncated",
        ),
        Mistake(
            "smooth_l1",
            (("nn.HuberLoss(delta=0.5)", "nn.SmoothL1Loss(beta=0.5)"),),
            "SmoothL1Loss is the Huber loss divided by its delta.",
            "loss",
            "smooth L1 for Huber",
        ),
    ),
    "multitask": (
        Mistake(
            "weighted_mean",
            (("return (w * kind).mean()", "return (w * kind).sum() / w.sum()"),),
            "The loss of `kind` is divided by the sum of the sample weights; Keras divides by the number of samples.",
            "loss",
            "normalised sample weights",
        ),
        Mistake(
            "half_penalty",
            (("return L2 * (self", "return 0.5 * L2 * (self"),),
            "The L2 penalty has the half that torch's weight decay has; Keras's has none.",
            "loss",
            "factor of the penalty",
        ),
        Mistake(
            "elu_for_selu",
            (("F.selu(self.size_hidden(x))", "F.elu(self.size_hidden(x))"),),
            "ELU in place of SELU in the head of one output.",
            "output",
            "another activation",
        ),
    ),
    "siamese": (
        Mistake(
            "pairwise_distance",
            (
                (
                    "distance = (x - y).square().sum(1, keepdim=True).clamp(min=1e-7).sqrt()",
                    "distance = nn.functional.pairwise_distance(x, y, keepdim=True)",
                ),
            ),
            "pairwise_distance adds 1e-6 to each difference; the original takes the root of at least 1e-7.",
            "output",
            "epsilon of the distance",
        ),
        Mistake(
            "one_pass",
            (
                (
                    "x, y = self.embedding(left), self.embedding(right)",
                    "x, y = self.embedding(torch.cat([left, right])).chunk(2)",
                ),
            ),
            "Both images go through the encoder as one batch, so that they share the statistics of batch normalisation and these move once.",
            "training mode",
            "batch statistics over both inputs",
        ),
        Mistake(
            "labels_inverted",
            (
                (
                    "((1 - targets) * outputs.square() + targets * apart)",
                    "(targets * outputs.square() + (1 - targets) * apart)",
                ),
            ),
            "The contrastive loss takes 1 as the label of pairs of one class; in the original it is that of different ones.",
            "loss",
            "labels of the contrastive loss inverted",
        ),
    ),
    "two_towers": (
        Mistake(
            "adagrad_from_zero",
            (
                (
                    "KerasAdagrad(net.parameters(), lr=0.05)",
                    "torch.optim.Adagrad(net.parameters(), lr=0.05, eps=1e-7)",
                ),
                ("from ..compat import KerasAdagrad, glorot_", "from ..compat import glorot_"),
            ),
            "torch's Adagrad begins its sum at 0, Keras's at 0.1.",
            "optimizer",
            "initial accumulator of Adagrad",
        ),
        Mistake(
            "symmetric_loss",
            (
                (
                    "        self.retrieval_loss = F.cross_entropy(\n            scores, torch.arange(len(scores), device=scores.device)\n        )\n",
                    "        labels = torch.arange(len(scores), device=scores.device)\n        self.retrieval_loss = (F.cross_entropy(scores, labels) + F.cross_entropy(scores.T, labels)) / 2\n",
                ),
            ),
            "The in-batch softmax is taken over items and over users (CLIP); the original takes it over items only.",
            "loss",
            "symmetric in-batch loss",
        ),
        Mistake(
            "normal_embeddings",
            (
                (
                    "    net = glorot_(TwoTowers())\n",
                    "    net = glorot_(TwoTowers())\n    net.users.reset_parameters()\n    net.items.reset_parameters()\n",
                ),
            ),
            "The embeddings begin with torch's N(0, 1); Keras's are uniform in ±0.05.",
            "initial weights",
            "distribution of embeddings",
        ),
    ),
    "sparse_ae": (
        Mistake(
            "patience",
            (("patience=2", "patience=3"),),
            "torch's plateau has Keras's patience and so cuts the rate one epoch later.",
            "schedule",
            "patience of the plateau",
        ),
        Mistake(
            "mean_activity",
            (("L1 * hidden.abs().sum() / len(x)", "L1 * hidden.abs().mean()"),),
            "The activity penalty is the mean over all activations; Keras's is the sum divided by the batch size.",
            "loss",
            "scale of the activity regulariser",
        ),
        Mistake(
            "noise_in_eval",
            (
                (
                    "noisy = code + 0.1 * torch.randn_like(code) if self.training else code",
                    "noisy = code + 0.1 * torch.randn_like(code)",
                ),
            ),
            "The noise is also added in eval mode.",
            "output",
            "GaussianNoise in eval mode",
        ),
    ),
    "unet": (
        Mistake(
            "momentum",
            (("BatchNorm2d(filters),", "BatchNorm2d(filters, momentum=0.99),"),),
            "Keras's momentum of 0.99 is taken as torch's, which is the weight of the new value.",
            "training mode (moving statistics)",
            "momentum of batch normalisation",
        ),
        Mistake(
            "channel_dropout",
            (("nn.Dropout(0.3)", "nn.Dropout2d(0.3)"),),
            "Whole channels are dropped; Keras's Dropout drops single values.",
            "training mode",
            "Dropout2d for Dropout",
        ),
        Mistake(
            "batch_dice",
            (
                ("(truth * probabilities).sum((2, 3))", "(truth * probabilities).sum((0, 2, 3))"),
                (
                    "truth.sum((2, 3)) + probabilities.sum((2, 3))",
                    "truth.sum((0, 2, 3)) + probabilities.sum((0, 2, 3))",
                ),
            ),
            "Dice is computed over the whole batch; the original computes it for each image.",
            "loss",
            "reduction of the Dice loss",
        ),
    ),
    "resnet_aug": (
        Mistake(
            "torch_sgd",
            (
                ("KerasSGD(net.parameters()", "torch.optim.SGD(net.parameters()"),
                (
                    "from ..compat import BatchNorm2d, KerasSGD, glorot_",
                    "from ..compat import BatchNorm2d, glorot_",
                ),
            ),
            "torch's SGD multiplies the velocity by the present rate, so that a cut takes effect at once; in Keras's the rate is part of the velocity.",
            "optimizer (behind the cut)",
            "momentum after a change of the rate",
        ),
        Mistake(
            "padding_before",
            (
                (
                    "F.pad(x, (total // 2, total - total // 2) * 2)",
                    "F.pad(x, (total - total // 2, total // 2) * 2)",
                ),
            ),
            "Where 'same' padding is odd, the longer side is before the image; Keras has it behind.",
            "output",
            "side of the 'same' padding",
        ),
        Mistake(
            "half_turn",
            (("2 * math.pi * angle", "math.pi * angle"),),
            "The factor of the rotation is taken as a share of half a turn; Keras's is one of a whole turn.",
            "training mode (augmentation)",
            "range of the rotation",
        ),
    ),
    "mobile_se": (
        Mistake(
            "sigmoid_gate",
            (("F.hardsigmoid(self.excite(s))", "self.excite(s).sigmoid()"),),
            "The gate of squeeze-and-excite is a sigmoid in place of a hard sigmoid.",
            "output",
            "sigmoid for hard sigmoid",
        ),
        Mistake(
            "symmetric_padding",
            (
                (
                    "nn.Conv2d(6, 6, 3, stride=2, groups=6, bias=False)",
                    "nn.Conv2d(6, 6, 3, stride=2, padding=1, groups=6, bias=False)",
                ),
                ("self.depthwise(F.pad(x, (0, 1, 0, 1)))", "self.depthwise(x)"),
            ),
            "The strided depthwise convolution is padded on both sides; Keras's 'same' pads an even image behind only.",
            "output",
            "symmetric 'same' padding at stride 2",
        ),
        Mistake(
            "torch_rmsprop",
            (
                ("from torch import nn\n", "import torch\nfrom torch import nn\n"),
                (
                    "KerasRMSprop(net.parameters(), lr=1e-3, rho=0.9, momentum=0.9)",
                    "torch.optim.RMSprop(net.parameters(), lr=1e-3, alpha=0.9, momentum=0.9, eps=1e-7)",
                ),
                (
                    "from ..compat import BatchNorm2d, KerasRMSprop, clip_by_norm_, glorot_",
                    "from ..compat import BatchNorm2d, clip_by_norm_, glorot_",
                ),
            ),
            "torch's RMSprop adds epsilon to the root; Keras adds it below the root.",
            "optimizer",
            "epsilon of RMSprop",
        ),
    ),
    "aspp": (
        Mistake(
            "align_corners",
            (("align_corners=False", "align_corners=True"),),
            "The last upsampling aligns the corners; Keras's does not.",
            "output",
            "align_corners",
        ),
        Mistake(
            "ignored_in_mean",
            (
                (
                    "loss=lambda logits, labels: F.cross_entropy(logits, labels.long(), ignore_index=0)",
                    'loss=lambda logits, labels: F.cross_entropy(\n            logits, labels.long(), ignore_index=0, reduction="none"\n        ).mean()',
                ),
            ),
            "The mean is taken over all pixels; Keras's is taken over those that count.",
            "loss",
            "reduction with an ignored class",
        ),
        Mistake(
            "no_amsgrad",
            ((", amsgrad=True)", ")"),),
            "Adam without amsgrad.",
            "optimizer",
            "amsgrad missing",
        ),
    ),
    "wide_deep": (
        Mistake(
            "momentum_decay",
            ((", momentum_decay=1.0)", ")"),),
            "torch's NAdam has the default momentum_decay of 0.004; Keras's schedule is 0.96 ** t.",
            "optimizer",
            "momentum schedule of Nadam",
        ),
        Mistake(
            "normalised_classes",
            (("(weights * each).mean()", "(weights * each).sum() / weights.sum()"),),
            "The loss is divided by the sum of the class weights; Keras divides by the number of samples.",
            "loss",
            "normalised class weights",
        ),
        Mistake(
            "unbiased_scale",
            (("data.var(0)", "data.var(0, ddof=1)"),),
            "The numbers are scaled by the unbiased variance of the data; Keras's adapt takes the biased one.",
            "initial weights",
            "variance of Normalization",
        ),
    ),
    "wavenet": (
        Mistake(
            "first_sees_ahead",
            (("self.first = CausalConv1d(2, 6, 3)", "self.first = nn.Conv1d(2, 6, 3, padding=1)"),),
            "The first convolution is padded on both sides and so sees one step ahead; Keras's is causal.",
            "output",
            "padding not causal",
        ),
        Mistake(
            "quantiles_mirrored",
            (("error = targets - outputs", "error = outputs - targets"),),
            "The error of the pinball loss has the other sign, so that 0.1 and 0.9 are exchanged.",
            "loss",
            "sign in the pinball loss",
        ),
        Mistake(
            "staircase",
            (("0.5 ** (step / 4)", "0.5 ** (step // 4)"),),
            "The rate falls in stairs; Keras's ExponentialDecay is smooth by default.",
            "schedule",
            "staircase",
        ),
    ),
    "gcn": (
        Mistake(
            "bias_spreads",
            (
                (
                    "adjacency @ (x @ self.kernel) + self.bias",
                    "adjacency @ (x @ self.kernel + self.bias)",
                ),
            ),
            "The bias is added before the propagation, as with nn.Linear; in the original it is added behind it.",
            "output",
            "bias before the adjacency",
        ),
        Mistake(
            "penalty_on_all",
            (
                (
                    "lambda net: L2 * net.conv1.kernel.square().sum()",
                    'lambda net: L2 * sum(p.square().sum() for n, p in net.named_parameters() if "kernel" in n)',
                ),
            ),
            "All kernels have the L2 penalty; in the original only the first has.",
            "loss",
            "penalty on other weights",
        ),
        Mistake(
            "weighted_mean",
            (
                (
                    "(each * sample_weight.flatten()).mean()",
                    "(each * sample_weight.flatten()).sum() / sample_weight.sum()",
                ),
            ),
            "The loss is divided by the sum of the node weights; Keras divides by the number of nodes.",
            "loss",
            "normalised sample weights",
        ),
    ),
    "dqn": (
        Mistake(
            "not_double",
            (
                (
                    '            best = agent.online(batch["next_state"]).argmax(1, keepdim=True)\n            future = agent.target(batch["next_state"]).gather(1, best)[:, 0]\n',
                    '            future = agent.target(batch["next_state"]).amax(1)\n',
                ),
            ),
            "The target network chooses the action itself; in double DQN the online network chooses it.",
            "loss",
            "max of the target network",
        ),
        Mistake(
            "mean_of_batch",
            (("advantage.mean(1, keepdim=True)", "advantage.mean()"),),
            "The advantage is centred by the mean over the whole batch in place of over the actions.",
            "output",
            "axis of the mean in the dueling head",
        ),
        Mistake(
            "target_first",
            (
                (
                    "        optimizer.step()\n        with torch.no_grad():\n            for t, o in zip(agent.target.parameters(), agent.online.parameters(), strict=True):\n                t.lerp_(o, TAU)\n",
                    "        with torch.no_grad():\n            for t, o in zip(agent.target.parameters(), agent.online.parameters(), strict=True):\n                t.lerp_(o, TAU)\n        optimizer.step()\n",
                ),
            ),
            "The target network follows before the step of the optimizer, and so is one step behind.",
            "trajectory (weights after a step)",
            "order of soft update and step",
        ),
    ),
}


def cases(work: Path) -> Iterator[Case]:
    """Yields the right port of each pair, and its copies with a mistake.

    Args:
        work: empty folder in which the copies are written.

    Raises:
        ValueError: a text that is to be changed is not there.
    """
    package = work / "strangers"
    shutil.copytree(FOLDER, package)
    for pair in (name for names in FAMILIES.values() for name in names):
        yield Case(pair, RIGHT, *_factories(pair, RIGHT), folder=work)
        right = (package / pair / f"{RIGHT}.py").read_text("utf-8")
        for mistake in MISTAKES[pair]:
            text = right
            for old, new in mistake.changes:
                if old not in text:
                    raise ValueError(f"{pair}, {mistake.name}: {old!r} is not in the right port")
                text = text.replace(old, new)
            (package / pair / f"{mistake.name}.py").write_text(text, "utf-8")
            factories = _factories(pair, mistake.name)
            yield Case(pair, mistake.name, *factories, mistake.what, folder=work)


def _factories(pair: str, port: str) -> tuple[str, str]:
    return f"strangers.{pair}.keras_model:build", f"strangers.{pair}.{port}:build"
