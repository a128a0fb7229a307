/* max_pool2d(x, 2), relu, and a dropout whose mask is given, in one pass over memory.

   Same definition, same bits as the operations of torch: pool.py has them. Images are (N, H, W, C),
   results (N, H / 2, W / 2, C); what is left over of an odd side is not looked at. `index` says for
   each result which of the four values it is, 0 to 3 in the order of rows, or NOWHERE where no
   gradient passes: the greatest of the four is not above 0, or it is dropped.

   Each inner loop runs over the channels, so that compilers turn it into vector instructions. */

#include <stdint.h>
#include <string.h>

#define NOWHERE 4

#define DEFINE(REAL, NAME)                                                                         \
  /* The greatest, a NaN before all, the first of equal ones: as torch takes it. */                \
  static inline void forward_pixel_##NAME(const REAL *restrict upper, const REAL *restrict lower,  \
                                          REAL *restrict y, uint8_t *restrict index,               \
                                          int64_t channels) {                                      \
    for (int64_t c = 0; c < channels; c++) {                                                       \
      REAL most = upper[c];                                                                        \
      uint8_t place = 0;                                                                           \
      const REAL others[3] = {upper[channels + c], lower[c], lower[channels + c]};                 \
      for (int other = 0; other < 3; other++) {                                                    \
        int is_more = (others[other] > most) | (others[other] != others[other]);                   \
        most = is_more ? others[other] : most;                                                     \
        place = is_more ? (uint8_t)(other + 1) : place;                                            \
      }                                                                                            \
      int is_off = most <= 0;                                                                      \
      y[c] = is_off ? 0 : most;                                                                    \
      index[c] = is_off ? NOWHERE : place;                                                         \
    }                                                                                              \
  }                                                                                                \
                                                                                                   \
  static inline void drop_##NAME(REAL *restrict y, uint8_t *restrict index,                        \
                                 const uint8_t *restrict keep, REAL scale, int64_t channels) {     \
    for (int64_t c = 0; c < channels; c++) {                                                       \
      y[c] = keep[c] ? y[c] * scale : 0;                                                           \
      index[c] = keep[c] ? index[c] : NOWHERE;                                                     \
    }                                                                                              \
  }                                                                                                \
                                                                                                   \
  /* keep is NULL where there is no dropout. */                                                    \
  void pool_forward_##NAME(const REAL *x, REAL *y, uint8_t *index, const uint8_t *keep,            \
                           double scale, int64_t num, int64_t height, int64_t width,               \
                           int64_t channels, int num_threads) {                                    \
    int64_t rows = height / 2, columns = width / 2;                                                \
    _Pragma("omp parallel for num_threads(num_threads)")                                           \
    for (int64_t row = 0; row < num * rows; row++) {                                               \
      const REAL *upper = x + ((row / rows * height + row % rows * 2) * width) * channels;         \
      const REAL *lower = upper + width * channels;                                                \
      for (int64_t column = 0; column < columns; column++) {                                       \
        int64_t from = 2 * column * channels, to = (row * columns + column) * channels;            \
        forward_pixel_##NAME(upper + from, lower + from, y + to, index + to, channels);            \
        if (keep) drop_##NAME(y + to, index + to, keep + to, (REAL)scale, channels);               \
      }                                                                                            \
    }                                                                                              \
  }                                                                                                \
                                                                                                   \
  static inline void backward_pixel_##NAME(const REAL *restrict dy, const uint8_t *restrict index, \
                                           REAL *restrict dx, int place, REAL scale,               \
                                           int64_t channels) {                                     \
    for (int64_t c = 0; c < channels; c++)                                                         \
      dx[c] = (int32_t)index[c] == place ? dy[c] * scale : 0;                                      \
  }                                                                                                \
                                                                                                   \
  void pool_backward_##NAME(const REAL *dy, const uint8_t *index, REAL *dx, double scale,          \
                            int64_t num, int64_t height, int64_t width, int64_t channels,          \
                            int num_threads) {                                                     \
    int64_t rows = height / 2, columns = width / 2;                                                \
    size_t pixel = (size_t)channels * sizeof(REAL);                                                \
    _Pragma("omp parallel for num_threads(num_threads)")                                           \
    for (int64_t row = 0; row < num * rows; row++) {                                               \
      REAL *upper = dx + ((row / rows * height + row % rows * 2) * width) * channels;              \
      REAL *lower = upper + width * channels;                                                      \
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

DEFINE(float, float32)
DEFINE(double, float64)
