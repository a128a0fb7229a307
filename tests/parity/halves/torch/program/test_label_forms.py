"""Labels in the form that a loss takes, where no loss of Keras's is there to compare with."""

import torch
from rows import each_row
from torch import nn
from torch.nn import functional as F

from parity.halves.torch.program.alone import LabelForms
from torch_impl.losses.outputs import OutputLosses

IMAGES = torch.rand(5, 6, 6, 3, generator=torch.Generator().manual_seed(0))  # as Keras's


def fed(loss, output, labels):
    forms = LabelForms()
    forms.see(loss, output, labels)
    found = forms.fed(labels)
    assert torch.equal(forms.as_keras(found).reshape(labels.shape), labels)
    return found


def output(*shape, last=torch.sigmoid):
    return last(torch.randn(*shape, generator=torch.Generator().manual_seed(1)))


def dice(p, y):
    return 1 - 2 * (p * y).sum() / (p + y).sum()


LOSSES = {
    "mse": (nn.MSELoss(), torch.tanh),
    "l1": (nn.L1Loss(), torch.sigmoid),
    "bce": (nn.BCELoss(), torch.sigmoid),
    "logits": (nn.BCEWithLogitsLoss(), lambda x: 9 * x),
    "dice": (dice, torch.sigmoid),
    "huber": (lambda p, y: F.huber_loss(p, y, delta=0.1), torch.relu),
}


@each_row("name", LOSSES)
def test_images_are_fed_with_channels_first_to_a_loss_that_refuses_others(name):
    """With one channel, most losses take both: (N, 1, H, W) and (N, H, W, 1) broadcast."""
    loss, last = LOSSES[name]
    found = fed(loss, output(5, 3, 6, 6, last=last), IMAGES)
    assert torch.equal(found, IMAGES.permute(0, 3, 1, 2))
    found = fed(loss, output(5, 1, 6, 6, last=last), IMAGES[..., :1])
    assert found.shape == ((5, 1, 6, 6) if name in ("bce", "logits") else (5, 6, 6, 1))


@each_row("channels", [1, 3])
def test_a_loss_that_turns_the_images_itself_gets_them_as_keras_does(channels):
    labels = IMAGES[..., :channels]

    def loss(p, y):
        return F.mse_loss(p, y.permute(0, 3, 1, 2))

    assert fed(loss, output(5, channels, 6, 6), labels) is labels


@each_row(
    "output_shape, labels",
    [
        ((5, 6, 6, 3), IMAGES),  # channels last, as Keras's
        ((5, 3, 6, 6), IMAGES[..., 0].round().long()),  # classes of pixels
        ((5, 3), IMAGES[:, 0, 0]),
    ],
    ids=["as_keras", "classes", "vectors"],
)
def test_other_labels_stay_as_they_are(output_shape, labels):
    loss = nn.MSELoss() if labels.is_floating_point() else nn.CrossEntropyLoss()
    assert fed(loss, output(*output_shape), labels) is labels


def test_labels_are_fed_as_a_column_where_the_loss_takes_nothing_else():
    labels = torch.tensor([0.0, 1, 1, 0, 1])
    assert fed(nn.BCELoss(), output(5, 1), labels).shape == (5, 1)
    assert fed(nn.BCELoss(), output(5), labels) is labels
    assert fed(nn.CrossEntropyLoss(), output(5, 2), labels.long()).shape == (5,)


def test_each_of_several_outputs_has_a_form_of_its_own():
    loss = OutputLosses({"image": nn.MSELoss(), "yes": nn.BCELoss(), "kind": nn.CrossEntropyLoss()})
    given = {
        "image": output(5, 3, 6, 6),
        "yes": output(5, 1),
        "kind": output(5, 3),
    }
    labels = {"image": IMAGES, "yes": torch.ones(5), "kind": torch.zeros(5, dtype=torch.long)}
    forms = LabelForms()
    forms.see(loss, given, labels)
    found = forms.fed(labels)
    shapes = {name: tuple(each.shape) for name, each in found.items()}
    assert shapes == {"image": (5, 3, 6, 6), "yes": (5, 1), "kind": (5,)}
    assert torch.equal(forms.as_keras(found)["image"], IMAGES)


def test_without_a_loss_or_with_one_function_of_several_outputs_nothing_is_changed():
    labels = {"a": IMAGES, "b": IMAGES}
    for loss in (None, lambda p, y: sum(F.mse_loss(p[name], y[name]) for name in y)):
        forms = LabelForms()
        forms.see(loss, {"a": output(5, 3, 6, 6), "b": output(5, 3, 6, 6)}, labels)
        assert forms.fed(labels) is labels
