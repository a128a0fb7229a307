/* The interpolation of interpolate.py for the CPU, at order 0 and 1, in one pass.

   The operations and their order are those of scipy's ndimage/src/ni_interpolation.c
   (NI_GeometricTransform), so that the bits are the same; the compiler must not contract a product
   and a sum into one rounding (-ffp-contract=off). Pixels are taken LANES at a time, so that
   compilers turn each inner loop into vector instructions.

   The file includes itself twice, for the code that depends on the type of the pixels. */

#ifndef PIXEL

#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define LANES 32
#define ROWS 3 /* at once, since reading a whole right after storing it in pieces is slow */

#define AHEAD 8192 /* bytes, from which on a processor prefetches by itself */

/* Keeps the loads of a loop apart: gather instructions are slower on many processors. */
#if defined(__GNUC__)
#define APART(offset) __asm__ volatile("" : "+r"(offset))
#else
#define APART(offset)
#endif

/* By default GCC uses vectors of half the width. */
#if defined(__AVX512F__) && defined(__GNUC__) && !defined(__clang__)
#pragma GCC target("prefer-vector-width=512")
#endif

enum { NEAREST, CONSTANT, REFLECT, WRAP, GRID_WRAP };

/* The input positions of LANES pixels of an output row. */
typedef struct {
  double row[LANES], column[LANES]; /* distance of the position from the first tap */
  int32_t offset[LANES];            /* of the first tap in the frame */
  uint8_t none[LANES];              /* outside: the constant is used */
} Taps;

/* Sizes and steps are those of images, channels, rows and columns. */
typedef struct {
  const int64_t *size, *in_step, *out_step;
  int order, mode;
  double cval;
} Task;

/* Moves a position into 0 ... length - 1, as scipy's map_coordinate does. */
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

/* The pixel before a position on one axis, from -1 on. In mode NEAREST the frame continues an image,
   whose positions are not moved. */
static inline double tap_of(double whole, double last) {
  whole = whole > -1 ? whole : -1;
  return whole < last ? whole : last;
}

/* The taps of a row of output pixels: row and column are `m` applied to (i, from + step k, 1). */
static inline void plan(Taps *taps, const double m[6], double i, double from, double step,
                        int32_t height, int32_t width, int order, int mode) {
  const double row_0 = m[2] + i * m[0], column_0 = m[5] + i * m[3];
  const double half = order == 0 ? 0.5 : 0, beyond = order == 0 ? 0 : 1;
  const double last_row = height - 1, last_column = width - 1, framed_width = width + 2;
  for (int k = 0; k < LANES; k++) {
    double j = from + step * k;
    double row = row_0 + j * m[1], column = column_0 + j * m[4];
    if (mode == CONSTANT)
      taps->none[k] = !(row >= 0 && row <= last_row && column >= 0 && column <= last_column);
    if (mode == REFLECT || mode == WRAP || mode == GRID_WRAP) {
      row = inside(row, height, mode);
      column = inside(column, width, mode);
    }
    double up = floor(row + half), left = floor(column + half);
    taps->row[k] = row - up;
    taps->column[k] = column - left;
    up = tap_of(up, height - beyond);
    left = tap_of(left, width - beyond);
    taps->offset[k] = (int32_t)((up + 1) * framed_width + left + 1);
  }
}

/* Copies a row: short ones without a call, in pieces of a fixed size of which two may overlap. */
static inline void copy(void *to, const void *from, size_t size) {
  if (size < 64 || size > 1024) {
    memcpy(to, from, size);
    return;
  }
  for (size_t at = 0; at + 64 < size; at += 64)
    memcpy((char *)to + at, (const char *)from + at, 64);
  memcpy((char *)to + size - 64, (const char *)from + size - 64, 64);
}

/* Prefetches some memory. */
static inline void ahead(const void *memory, size_t size) {
#if defined(__GNUC__)
  for (size_t at = 0; at < size && at < AHEAD; at += 64)
    __builtin_prefetch((const char *)memory + at);
#endif
}

#define PIXEL float
#define NAMED(name) name##_float32
#include "affine.c"
#undef PIXEL
#undef NAMED

#define PIXEL double
#define NAMED(name) name##_float64
#include "affine.c"

#else /* the code that depends on the type of the pixels */

/* Copies a channel and continues it by one pixel on every side, so that both neighbours of every
   tap, on either axis, are at fixed distances. */
static void NAMED(frame)(PIXEL *to, const PIXEL *from, const Task *task) {
  const int64_t height = task->size[2], width = task->size[3], step = task->in_step[3];
  const int around = task->mode == GRID_WRAP;
  for (int64_t i = -1; i <= height; i++, to += width + 2) {
    int64_t before = around ? height - 1 : 0, after = around ? 0 : height - 1;
    const PIXEL *row = from + (i < 0 ? before : i < height ? i : after) * task->in_step[2];
    if (step == 1)
      copy(to + 1, row, (size_t)width * sizeof(PIXEL));
    else
      for (int64_t j = 0; j < width; j++)
        to[1 + j] = row[j * step];
    to[0] = around ? to[width] : to[1];
    to[width + 1] = around ? to[1] : to[width];
  }
}

/* The pixels around the taps: two of the upper row, two of the lower one. */
static inline void NAMED(fetch)(PIXEL upper[2 * LANES], PIXEL lower[2 * LANES], const PIXEL *framed,
                                int64_t framed_width, const Taps *taps, int order) {
  for (int k = 0; k < LANES; k++) {
    int64_t offset = taps->offset[k];
    APART(offset);
    if (order == 0) {
      upper[k] = framed[offset];
    } else {
      memcpy(upper + 2 * k, framed + offset, 2 * sizeof(PIXEL));
      memcpy(lower + 2 * k, framed + offset + framed_width, 2 * sizeof(PIXEL));
    }
  }
}

static inline void NAMED(blend)(PIXEL *out, int64_t step, int count, const PIXEL upper[2 * LANES],
                                const PIXEL lower[2 * LANES], const Taps *taps, int order, int mode,
                                double cval) {
  PIXEL line[LANES];
  if (order == 0)
    memcpy(line, upper, sizeof(line));
  else
    for (int k = 0; k < LANES; k++) {
      double up = 1 - taps->row[k], left = 1 - taps->column[k], down = 1 - up, right = 1 - left;
      double sum = upper[2 * k] * up * left;
      sum += upper[2 * k + 1] * up * right;
      sum += lower[2 * k] * down * left;
      sum += lower[2 * k + 1] * down * right;
      line[k] = (PIXEL)sum;
    }
  if (mode == CONSTANT)
    for (int k = 0; k < LANES; k++)
      line[k] = taps->none[k] ? (PIXEL)cval : line[k];
  if (step == 1)
    copy(out, line, (size_t)count * sizeof(PIXEL));
  else
    for (int k = 0; k < count; k++)
      out[k * step] = line[k];
}

static inline void NAMED(image)(const PIXEL *input, PIXEL *output, PIXEL *frames, const double m[6],
                                const uint8_t flips[2], const Task *task, int order, int mode) {
  const int64_t *size = task->size, *out_step = task->out_step;
  const int32_t height = (int32_t)size[2], width = (int32_t)size[3];
  const int64_t framed_width = width + 2, frame_size = (height + 2) * framed_width;
  Taps taps[ROWS];
  PIXEL upper[ROWS][2 * LANES], lower[ROWS][2 * LANES];
  for (int64_t c = 0; c < size[1]; c++)
    NAMED(frame)(frames + c * frame_size, input + c * task->in_step[1], task);
  for (int32_t i = 0; i < height; i += ROWS)
    for (int32_t j = 0; j < width; j += LANES) {
      const int rows = height - i < ROWS ? height - i : ROWS;
      const int count = width - j < LANES ? width - j : LANES;
      for (int r = 0; r < rows; r++)
        plan(taps + r, m, flips[1] ? height - 1 - i - r : i + r, flips[0] ? width - 1 - j : j,
             flips[0] ? -1 : 1, height, width, order, mode);
      for (int64_t c = 0; c < size[1]; c++) {
        PIXEL *out = output + c * out_step[1] + i * out_step[2] + j * out_step[3];
        for (int r = 0; r < rows; r++)
          NAMED(fetch)(upper[r], lower[r], frames + c * frame_size, framed_width, taps + r, order);
        for (int r = 0; r < rows; r++)
          NAMED(blend)(out + r * out_step[2], out_step[3], count, upper[r], lower[r], taps + r,
                       order, mode, task->cval);
      }
    }
}

/* index: which of the num_inputs images of the input are taken, as many as size[0]. maps: six numbers an image, the
   row and then the column of the input as a sum over (row, column, 1) of the output. flips: two an
   image, horizontal and vertical. Returns 0, 1 if there is no memory for the frames of an
   image, or 2 if an index is out of range. */
int NAMED(affine)(const PIXEL *input, PIXEL *output, const int64_t *index, const double *maps,
                  const uint8_t *flips, int64_t num_inputs, const int64_t size[4],
                  const int64_t in_step[4], const int64_t out_step[4], int order, int mode,
                  double cval) {
  for (int64_t n = 0; n < size[0]; n++)
    if (index[n] < 0 || index[n] >= num_inputs)
      return 2;
  const Task task = {size, in_step, out_step, order, mode, cval};
  PIXEL *frames = malloc((size_t)(size[1] * (size[2] + 2) * (size[3] + 2)) * sizeof(PIXEL));
  if (frames == NULL)
    return 1;
  for (int64_t n = 0; n < size[0]; n++) {
    const PIXEL *in = input + index[n] * in_step[0];
    if (n + 1 < size[0]) /* images may be anywhere in memory: prefetch the next one */
      ahead(input + index[n + 1] * in_step[0], size[1] * size[2] * size[3] * sizeof(PIXEL));
    PIXEL *out = output + n * out_step[0];
    const double *map = maps + 6 * n;
    const int at_rest = map[0] == 1 && map[1] == 0 && map[2] == 0 && map[3] == 0 && map[4] == 1 &&
                        map[5] == 0;
    /* The usual case alone, so that the compiler omits the others from its loops. */
    if (mode == NEAREST && order == 1 && !at_rest)
      NAMED(image)(in, out, frames, map, flips + 2 * n, &task, 1, NEAREST);
    else /* nothing moves, so a neighbour that is not finite does not spoil a pixel */
      NAMED(image)(in, out, frames, map, flips + 2 * n, &task, at_rest ? 0 : order, mode);
  }
  free(frames);
  return 0;
}

#endif
