"""Example 1: a network with more capacity, whose learning rate is cut on a plateau."""

from tensorflow.keras.callbacks import ReduceLROnPlateau
from tensorflow.keras.layers import Conv2D, Dense, Flatten, MaxPooling2D
from tensorflow.keras.models import Sequential
from tensorflow.keras.optimizers import Adam
from tensorflow.keras.utils import to_categorical

from parity import load_data

data = load_data("embedded", train=1984, val=500)
x_train, y_train = data.x_train, to_categorical(data.y_train, 10)
x_test, y_test = data.x_val, to_categorical(data.y_val, 10)

model = Sequential()
model.add(Conv2D(32, (3, 3), activation="relu", input_shape=(28, 28, 1)))
model.add(MaxPooling2D((2, 2)))
model.add(Conv2D(64, (3, 3), activation="relu"))
model.add(MaxPooling2D((2, 2)))
model.add(Flatten())
model.add(Dense(128, activation="relu"))
model.add(Dense(10, activation="softmax"))

model.compile(
    optimizer=Adam(learning_rate=0.001), loss="categorical_crossentropy", metrics=["accuracy"]
)

reduce_lr = ReduceLROnPlateau(monitor="val_loss", factor=0.1, patience=5)

history = model.fit(
    x_train,
    y_train,
    batch_size=32,
    epochs=50,
    validation_data=(x_test, y_test),
    callbacks=[reduce_lr],
)

print("training accuracy:", history.history["accuracy"])
print("validation accuracy:", history.history["val_accuracy"])

try:
    import matplotlib.pyplot as plt
except ImportError:
    print("no plot: matplotlib is not installed")
else:
    plt.plot(history.history["accuracy"], label="training accuracy")
    plt.plot(history.history["val_accuracy"], label="validation accuracy")
    plt.xlabel("epoch")
    plt.legend()
    plt.show()
