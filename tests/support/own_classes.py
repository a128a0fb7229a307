"""Classes of a user's own for Keras, each in one expression."""

import keras


def own_class(call, base=keras.layers.Layer, *, name="Own", masks=False, **held):
    """Returns a class whose call is a function; what it holds is made with each object.

    Args:
        call: takes the object, too.
        base: of the class.
        name: of the class.
        masks: whether it gives masks on.
        held: what makes a layer, by the name of its attribute.
    """

    def __init__(self, **options):
        super(made, self).__init__(**options)
        self.supports_masking = masks
        for attribute, make in held.items():
            setattr(self, attribute, make())

    made = type(name, (base,), {"__init__": __init__, "call": call})
    return made
