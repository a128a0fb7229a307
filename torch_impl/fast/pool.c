/* max_pool2d(x, 2), relu, and a dropout whose mask is given, in one pass over memory.

   Same definition, same bits as the operations of torch: pool.py has them. Images are (N, H, W, C),
   results (N, H / 2, W / 2, C); what is left over of an odd side is not looked at. `index` says for
   each result which of the four values it is, 0 to 3 in the order of rows, or NOWHERE where no
   gradient passes: the greatest of the four is not above 0, or it is dropped.

   Each inner loop runs over the channels, so that compilers turn it into vector instructions. Values
   are STORED in memory and computed with as REAL: bfloat16 is the upper half of a float. */

#include <stdint.h>
#include <string.h>

#define NOWHERE 4

static inline float widen(uint16_t stored) {
  uint32_t bits = (uint32_t)stored << 16;
  float value;
  memcpy(&value, &bits, sizeof(value));
  return value;
}

/* Rounds to the nearest, ties to even, as torch does. */
static inline uint16_t narrow(float value) {
  uint32_t bits;
  memcpy(&bits, &value, sizeof(bits));
  uint32_t rounded = (bits + 0x7FFF + ((bits >> 16) & 1)) >> 16;
  return value == value ? (uint16_t)rounded : 0x7FC0;
}

#define AS_IS(value) (value)

#define DEFINE(REAL, STORED, LOAD, STORE, NAME)                                                    \
  /* The greatest, a NaN before all, the first of equal ones: as torch takes it. */                \
  static inline void forward_pixel_##NAME(const STORED *restrict upper,                            \
                                          const STORED *restrict lower, STORED *restrict y,        \
                                          uint8_t *restrict index, int64_t channels) {             \
    for (int64_t c = 0; c < channels; c++) {                                                       \
      REAL most = LOAD(upper[c]);                                                                  \
      uint8_t place = 0;                                                                           \
      const REAL others[3] = {LOAD(upper[channels + c]), LOAD(lower[c]),                           \
                              LOAD(lower[channels + c])};                                          \
      for (int other = 0; other < 3; other++) {                                                    \
        int is_more = (others[other] > most) | (others[other] != others[other]);                   \
        most = is_more ? others[other] : most;                                                     \
        place = is_more ? (uint8_t)(other + 1) : place;                                            \
      }                                                                                            \
      int is_off = most <= 0;                                                                      \
      y[c] = STORE(is_off ? 0 : most);                                                             \
      index[c] = is_off ? NOWHERE : place;                                                         \
    }                                                                                              \
  }                                                                                                \
                                                                                                   \
  static inline void drop_##NAME(STORED *restrict y, uint8_t *restrict index,                      \
                                 const uint8_t *restrict keep, REAL scale, int64_t channels) {     \
    for (int64_t c = 0; c < channels; c++) {                                                       \
      y[c] = keep[c] ? STORE(LOAD(y[c]) * scale) : 0;                                              \
      index[c] = keep[c] ? index[c] : NOWHERE;                                                     \
    }                                                                                              \
  }                                                                                                \
                                                                                                   \
  /* keep is NULL where there is no dropout. */                                                    \
  void pool_forward_##NAME(const STORED *x, STORED *y, uint8_t *index, const uint8_t *keep,        \
                           double scale, int64_t num, int64_t height, int64_t width,               \
                           int64_t channels, int num_threads) {                                    \
    int64_t rows = height / 2, columns = width / 2;                                                \
    _Pragma("omp parallel for num_threads(num_threads)")                                           \
    for (int64_t row = 0; row < num * rows; row++) {                                               \
      const STORED *upper = x + ((row / rows * height + row % rows * 2) * width) * channels;       \
      const STORED *lower = upper + width * channels;                                              \
      for (int64_t column = 0; column < columns; column++) {                                       \
        int64_t from = 2 * column * channels, to = (row * columns + column) * channels;            \
        forward_pixel_##NAME(upper + from, lower + from, y + to, index + to, channels);            \
        if (keep) drop_##NAME(y + to, index + to, keep + to, (REAL)scale, channels);               \
      }                                                                                            \
    }                                                                                              \
  }                                                                                                \
                                                                                                   \
  static inline void backward_pixel_##NAME(const STORED *restrict dy,                              \
                                           const uint8_t *restrict index, STORED *restrict dx,     \
                                           int place, REAL scale, int64_t channels) {              \
    for (int64_t c = 0; c < channels; c++)                                                         \
      dx[c] = (int32_t)index[c] == place ? STORE(LOAD(dy[c]) * scale) : 0;                         \
  }                                                                                                \
                                                                                                   \
  void pool_backward_##NAME(const STORED *dy, const uint8_t *index, STORED *dx, double scale,      \
                            int64_t num, int64_t height, int64_t width, int64_t channels,          \
                            int num_threads) {                                                     \
    int64_t rows = height / 2, columns = width / 2;                                                \
    size_t pixel = (size_t)channels * sizeof(STORED);                                              \
    _Pragma("omp parallel for num_threads(num_threads)")                                           \
    for (int64_t row = 0; row < num * rows; row++) {                                               \
      STORED *upper = dx + ((row / rows * height + row % rows * 2) * width) * channels;            \
      STORED *lower = upper + width * channels;                                                    \
      for (int64_t column = 0; column < columns; column++) {                                       \
        int64_t to = 2 * column * channels, from = (row * columns + column) * channels;            \
        for (int place = 0; place < 4; place++)                                                    \
          backward_pixel_##NAME(dy + from, index + from,                                           \
                                (place < 2 ? upper : lower) + to + place % 2 * channels, place,    \
                                (REAL)scale, channels);                                            \
      }                                                                                            \
      if (width % 2) {                                                                             \
        memset(upper + (width - 1) * channels, 0, pixel);                                          \
        memset(lower + (width - 1) * channels, 0, pixel);                                          \
      }                                                                                            \
      if (height % 2 && row % rows == rows - 1)                                                    \
        memset(lower + width * channels, 0, (size_t)width * pixel);                                \
    }                                                                                              \
  }

DEFINE(float, float, AS_IS, AS_IS, float32)
DEFINE(double, double, AS_IS, AS_IS, float64)
DEFINE(float, uint16_t, widen, narrow, bfloat16)
