"""Example 3: dropout after the first pool and before the last Dense."""

from tensorflow.keras.layers import Conv2D, Dense, Dropout, Flatten, MaxPooling2D
from tensorflow.keras.models import Sequential

from parity import load_data

data = load_data("embedded", train=1984, val=500)
x_train, y_train = data.x_train, data.y_train
x_test, y_test = data.x_val, data.y_val

model = Sequential()
model.add(Conv2D(32, (3, 3), activation="relu", input_shape=(28, 28, 1)))
model.add(MaxPooling2D((2, 2)))
model.add(Dropout(0.25))
model.add(Conv2D(64, (3, 3), activation="relu"))
model.add(MaxPooling2D((2, 2)))
model.add(Flatten())
model.add(Dense(128, activation="relu"))
model.add(Dropout(0.5))
model.add(Dense(10, activation="softmax"))

model.compile(optimizer="adam", loss="sparse_categorical_crossentropy", metrics=["accuracy"])

history = model.fit(x_train, y_train, batch_size=32, epochs=20, validation_data=(x_test, y_test))

print("training accuracy:", history.history["accuracy"])
print("validation accuracy:", history.history["val_accuracy"])
