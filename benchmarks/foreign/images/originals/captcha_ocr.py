"""OCR model for reading captchas: CNN, bidirectional LSTM, CTC."""

import keras
from keras import layers


def build(img_width=24, img_height=12, characters=6):
    input_img = layers.Input(shape=(img_width, img_height, 1), name="image")
    x = layers.Conv2D(
        6, (3, 3), activation="relu", kernel_initializer="he_normal", padding="same", name="Conv1"
    )(input_img)
    x = layers.MaxPooling2D((2, 2), name="pool1")(x)
    x = layers.Conv2D(
        8, (3, 3), activation="relu", kernel_initializer="he_normal", padding="same", name="Conv2"
    )(x)
    x = layers.MaxPooling2D((1, 2), name="pool2")(x)
    new_shape = (img_width // 2, (img_height // 4) * 8)
    x = layers.Reshape(target_shape=new_shape, name="reshape")(x)
    x = layers.Dense(10, activation="relu", name="dense1")(x)
    x = layers.Dropout(0.2)(x)
    x = layers.Bidirectional(layers.LSTM(7, return_sequences=True, dropout=0.25))(x)
    x = layers.Bidirectional(layers.LSTM(5, return_sequences=True))(x)
    x = layers.Dense(characters + 1, name="dense2")(x)
    model = keras.models.Model(inputs=input_img, outputs=x, name="ocr_model_v1")
    model.compile(optimizer=keras.optimizers.Adam(), loss=keras.losses.CTC())
    return model
