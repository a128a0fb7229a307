/* The interpolation of interpolate.py for the CPU, at order 0 and 1, in one pass.

   The operations and their order are those of scipy's ndimage/src/ni_interpolation.c
   (NI_GeometricTransform), so that the bits are the same; the compiler must not contract a product
   and a sum into one rounding (-ffp-contract=off). Pixels are taken LANES at a time, so that
   compilers turn each inner loop into vector instructions. */

#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define LANES 32

/* Keeps the loads of a loop apart: gather instructions are slower on many processors. */
#if defined(__GNUC__)
#define APART(k) __asm__ volatile("" : "+r"(k))
#else
#define APART(k)
#endif

/* GCC takes vectors of half the width by itself. */
#if defined(__AVX512F__) && defined(__GNUC__) && !defined(__clang__)
#pragma GCC target("prefer-vector-width=512")
#endif

enum { NEAREST, CONSTANT, REFLECT, WRAP, GRID_WRAP };

/* Where LANES pixels of an output row are taken from. */
typedef struct {
  double row[LANES], column[LANES]; /* positions, then how far they are past the first tap */
  int32_t top[LANES], left[LANES];  /* the first tap, from -1 on */
  int32_t offset[LANES];            /* of the first tap in the frame */
  uint8_t none[LANES];              /* no pixel: the constant */
} Taps;

/* Moves a position from outside of 0 ... length - 1 as scipy's map_coordinate does. */
static double inside(double at, double length, int mode) {
  if (at >= 0 && at <= length - 1)
    return at;
  if (length <= 1)
    return 0;
  if (mode == REFLECT) {
    double period = 2 * length;
    if (at < 0) {
      if (at < -period)
        at += period * trunc(-at / period);
      return at < -length ? at + period : (at > -1e-15 ? 1e-15 : -at) - 1;
    }
    at -= period * trunc(at / period);
    return at >= length ? period - at - 1 : at;
  }
  double period = mode == WRAP ? length - 1 : length;
  if (at < 0) {
    at += period * (trunc(-at / period) + 1);
    return mode == GRID_WRAP && at >= length ? at - length : at;
  }
  return at - period * trunc(at / period);
}

/* From positions on one axis to the pixel before each, and how far the position is past it. In mode
   NEAREST the frame continues an image, whose positions are not moved. */
static inline void find_taps(double at[LANES], int32_t length, int order, int mode,
                             int32_t tap[LANES]) {
  const double half = order == 0 ? 0.5 : 0, last = order == 0 ? length : length - 1;
  if (mode == REFLECT || mode == WRAP || mode == GRID_WRAP)
    for (int k = 0; k < LANES; k++)
      at[k] = inside(at[k], length, mode);
  for (int k = 0; k < LANES; k++) {
    double whole = floor(at[k] + half);
    at[k] -= whole;
    whole = whole > -1 ? whole : -1;
    whole = whole < last ? whole : last;
    tap[k] = (int32_t)whole;
  }
}

static void find_constant(const Taps *taps, double last_row, double last_column,
                          uint8_t none[LANES]) {
  for (int k = 0; k < LANES; k++)
    none[k] = !(taps->row[k] >= 0 && taps->row[k] <= last_row && taps->column[k] >= 0 &&
                taps->column[k] <= last_column);
}

/* The taps of a row of output pixels: row and column are `m` applied to (i, from + step k, 1). */
static inline void plan(Taps *taps, const double m[6], double i, double from, double step,
                        int32_t height, int32_t width, int order, int mode) {
  const double row_0 = m[2] + i * m[0], column_0 = m[5] + i * m[3];
  for (int k = 0; k < LANES; k++) {
    double j = from + step * k;
    taps->row[k] = row_0 + j * m[1];
    taps->column[k] = column_0 + j * m[4];
  }
  if (mode == CONSTANT)
    find_constant(taps, height - 1, width - 1, taps->none);
  find_taps(taps->row, height, order, mode, taps->top);
  find_taps(taps->column, width, order, mode, taps->left);
  for (int k = 0; k < LANES; k++)
    taps->offset[k] = (taps->top[k] + 1) * (width + 2) + taps->left[k] + 1;
}

/* size, in_step, out_step: of images, channels, rows, columns. matrices: six numbers an image, the
   row and then the column of the input as a sum over (row, column, 1) of the output. flips: two an
   image, horizontal and vertical. Returns 0, or 1 if there is no memory for the frames.

   The channels of an image are first copied with a frame of one pixel around them, so that both
   neighbours of every tap, on either axis, are at fixed distances. */
#define DEFINE_AFFINE(NAME, TYPE)                                                                  \
  static void NAME##_frame(TYPE *frame, const TYPE *in, int64_t height, int64_t width,             \
                           int64_t row_step, int64_t column_step, int mode) {                      \
    const int64_t wide = width + 2;                                                                \
    for (int64_t i = -1; i <= height; i++) {                                                       \
      int64_t from = i < 0 ? 0 : i < height ? i : height - 1;                                      \
      if (mode == GRID_WRAP)                                                                       \
        from = i < 0 ? height - 1 : i < height ? i : 0;                                            \
      const TYPE *line = in + from * row_step;                                                     \
      TYPE *to = frame + (i + 1) * wide + 1;                                                       \
      if (column_step == 1)                                                                        \
        memcpy(to, line, (size_t)width * sizeof(TYPE));                                            \
      else                                                                                         \
        for (int64_t j = 0; j < width; j++)                                                        \
          to[j] = line[j * column_step];                                                           \
      to[-1] = mode == GRID_WRAP ? to[width - 1] : to[0];                                          \
      to[width] = mode == GRID_WRAP ? to[0] : to[width - 1];                                       \
    }                                                                                              \
  }                                                                                                \
                                                                                                   \
  static inline void NAME##_row(TYPE *out, int64_t out_column, int count, const TYPE *frame,       \
                                int64_t wide, const Taps *taps, int order, int mode,               \
                                double cval) {                                                     \
    TYPE upper[2 * LANES], lower[2 * LANES], line[LANES];                                          \
    if (order == 0) {                                                                              \
      for (int k = 0; k < LANES; k++) {                                                            \
        APART(k);                                                                                  \
        line[k] = frame[taps->offset[k]];                                                          \
      }                                                                                            \
    } else {                                                                                       \
      for (int k = 0; k < LANES; k++) {                                                            \
        APART(k);                                                                                  \
        const TYPE *pixel = frame + taps->offset[k];                                               \
        memcpy(upper + 2 * k, pixel, 2 * sizeof(TYPE));                                            \
        memcpy(lower + 2 * k, pixel + wide, 2 * sizeof(TYPE));                                     \
      }                                                                                            \
      for (int k = 0; k < LANES; k++) {                                                            \
        double up = 1 - taps->row[k], left = 1 - taps->column[k];                                  \
        double down = 1 - up, right = 1 - left;                                                    \
        double sum = upper[2 * k] * up * left;                                                     \
        sum += upper[2 * k + 1] * up * right;                                                      \
        sum += lower[2 * k] * down * left;                                                         \
        sum += lower[2 * k + 1] * down * right;                                                    \
        line[k] = (TYPE)sum;                                                                       \
      }                                                                                            \
    }                                                                                              \
    if (mode == CONSTANT)                                                                          \
      for (int k = 0; k < LANES; k++)                                                              \
        line[k] = taps->none[k] ? (TYPE)cval : line[k];                                            \
    if (out_column == 1)                                                                           \
      memcpy(out, line, (size_t)count * sizeof(TYPE));                                             \
    else                                                                                           \
      for (int k = 0; k < count; k++)                                                              \
        out[k * out_column] = line[k];                                                             \
  }                                                                                                \
                                                                                                   \
  static inline void NAME##_all(TYPE *frames, const TYPE *input, TYPE *output,                     \
                                const int64_t size[4], const int64_t in_step[4],                   \
                                const int64_t out_step[4], const double *matrices,                 \
                                const uint8_t *flips, int order, int mode, double cval) {          \
    const int32_t height = (int32_t)size[2], width = (int32_t)size[3];                             \
    const int64_t wide = width + 2, frame_size = (height + 2) * wide;                              \
    Taps taps;                                                                                     \
    for (int64_t n = 0; n < size[0]; n++) {                                                        \
      for (int64_t c = 0; c < size[1]; c++)                                                        \
        NAME##_frame(frames + c * frame_size, input + n * in_step[0] + c * in_step[1], height,     \
                     width, in_step[2], in_step[3], mode);                                         \
      const double step = flips[2 * n] ? -1 : 1;                                                   \
      for (int32_t i = 0; i < height; i++)                                                         \
        for (int32_t j = 0; j < width; j += LANES) {                                               \
          plan(&taps, matrices + 6 * n, flips[2 * n + 1] ? height - 1 - i : i,                     \
               flips[2 * n] ? width - 1 - j : j, step, height, width, order, mode);                \
          for (int64_t c = 0; c < size[1]; c++)                                                    \
            NAME##_row(output + n * out_step[0] + c * out_step[1] + i * out_step[2] +              \
                           j * out_step[3],                                                        \
                       out_step[3], width - j < LANES ? width - j : LANES,                         \
                       frames + c * frame_size, wide, &taps, order, mode, cval);                   \
        }                                                                                          \
    }                                                                                              \
  }                                                                                                \
                                                                                                   \
  int NAME(const TYPE *input, TYPE *output, const int64_t size[4], const int64_t in_step[4],       \
           const int64_t out_step[4], const double *matrices, const uint8_t *flips, int order,     \
           int mode, double cval) {                                                                \
    TYPE *frames = malloc((size_t)(size[1] * (size[2] + 2) * (size[3] + 2)) * sizeof(TYPE));       \
    if (frames == NULL)                                                                            \
      return 1;                                                                                    \
    /* The usual case by itself, so that the compiler leaves the others out of its loops. */       \
    if (mode == NEAREST && order == 1)                                                             \
      NAME##_all(frames, input, output, size, in_step, out_step, matrices, flips, 1, NEAREST, 0);  \
    else                                                                                           \
      NAME##_all(frames, input, output, size, in_step, out_step, matrices, flips, order, mode,     \
                 cval);                                                                            \
    free(frames);                                                                                  \
    return 0;                                                                                      \
  }

DEFINE_AFFINE(affine_float32, float)
DEFINE_AFFINE(affine_float64, double)
