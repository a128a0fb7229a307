/* Convolution, max pool of 2, relu and dropout of small images in one pass, and its gradient.

   conv_pool.py has the definition. Images are (N, H, W, I), weights (taps, O) with a tap for each
   entry (row, column, input channel) of the kernel, results (N, rows, columns, O), where rows and
   columns are half of those of the convolution. `index` says which of the four values became the
   result, as in pool.c; backwards only these get a gradient. So neither the convolution's own result
   nor its gradient is ever in memory.

   Vectors run over output channels. Sums run over the taps in their order, and backwards over the
   images: the same for every number of threads and every width of vectors. Where a processor has
   the fused multiply-add (FMA), a product is added in one rounding; the compiler does not
   choose which ones (-ffp-contract=off), so that all compilers give the same bits.

   The file includes itself twice, for the code that depends on the type of the values. */

#ifndef REAL

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define NOWHERE 4
#define MOST_TAPS 64

/* Bytes of a vector: those of a register, since compilers split a wider one badly. And a b + c in
   one rounding, by the processor's own name: of a loop over the lanes some compilers make vectors of
   half the width, or none. */
#if defined(__AVX512F__)
#include <immintrin.h>
#define BYTES 64
#define FMA_float32(a, b, c) _mm512_fmadd_ps((__m512)(a), (__m512)(b), (__m512)(c))
#define FMA_float64(a, b, c) _mm512_fmadd_pd((__m512d)(a), (__m512d)(b), (__m512d)(c))
#elif defined(__AVX__)
#define BYTES 32
#if defined(__FMA__)
#include <immintrin.h>
#define FMA_float32(a, b, c) _mm256_fmadd_ps((__m256)(a), (__m256)(b), (__m256)(c))
#define FMA_float64(a, b, c) _mm256_fmadd_pd((__m256d)(a), (__m256d)(b), (__m256d)(c))
#endif
#else
#define BYTES 16
#if defined(__aarch64__)
#include <arm_neon.h>
#define FMA_float32(a, b, c) vfmaq_f32((float32x4_t)(c), (float32x4_t)(a), (float32x4_t)(b))
#define FMA_float64(a, b, c) vfmaq_f64((float64x2_t)(c), (float64x2_t)(a), (float64x2_t)(b))
#endif
#endif

typedef struct {
  int64_t num, height, width, in, out, kernel_height, kernel_width;
} Task;

typedef struct {
  int64_t rows, columns, taps, right, below;
  int64_t offset[MOST_TAPS]; /* of a tap in the image */
} Places;

static int find(Places *places, const Task *task) {
  const int64_t line = task->kernel_width * task->in;
  places->rows = (task->height - task->kernel_height + 1) / 2;
  places->columns = (task->width - task->kernel_width + 1) / 2;
  places->right = task->in;
  places->below = task->width * task->in;
  places->taps = task->kernel_height * line;
  if (places->taps > MOST_TAPS)
    return 0;
  for (int64_t tap = 0; tap < places->taps; tap++)
    places->offset[tap] = tap / line * places->below + tap % line;
  return 1;
}

#define REAL float
#define INTEGER int32_t
#define NAMED(name) name##_float32
#include "conv_pool.c"
#undef REAL
#undef INTEGER
#undef NAMED

#define REAL double
#define INTEGER int64_t
#define NAMED(name) name##_float64
#include "conv_pool.c"

#else /* the code that depends on the type of the values */

#define LANES ((int64_t)(BYTES / sizeof(REAL)))
#define Reals NAMED(Reals)
#define Integers NAMED(Integers)
#define Bytes NAMED(Bytes)

typedef REAL Reals __attribute__((vector_size(BYTES), aligned(sizeof(REAL)), may_alias));
typedef INTEGER Integers __attribute__((vector_size(BYTES)));
typedef uint8_t Bytes __attribute__((vector_size(BYTES / sizeof(REAL)), aligned(1), may_alias));

/* a b + c. */
static inline Reals NAMED(add_product)(Reals a, Reals b, Reals c) {
#ifdef FMA_float32
  return (Reals)NAMED(FMA)(a, b, c);
#else
  return a * b + c;
#endif
}

/* A vector of equal values. */
static inline Reals NAMED(all)(REAL value) { return value - (Reals){0}; }

static inline Integers NAMED(pick)(Integers mask, Integers then, Integers otherwise) {
  return (mask & then) | (~mask & otherwise);
}

/* The greatest of four, a NaN before all, the first of equal ones; relu; dropout. */
static inline void NAMED(pool)(const Reals value[4], REAL *y, uint8_t *index, const uint8_t *keep,
                               REAL scale) {
  Integers place = {0};
  Reals most = value[0];
  for (INTEGER other = 1; other < 4; other++) {
    Integers is_more = (value[other] > most) | (value[other] != value[other]);
    most = (Reals)NAMED(pick)(is_more, (Integers)value[other], (Integers)most);
    place = NAMED(pick)(is_more, (Integers){0} + other, place);
  }
  Integers is_off = most <= 0;
  if (keep) {
    is_off |= __builtin_convertvector(*(const Bytes *)keep, Integers) == 0;
    most *= scale;
  }
  *(Reals *)y = (Reals)(~is_off & (Integers)most);
  *(Bytes *)index =
      __builtin_convertvector(NAMED(pick)(is_off, (Integers){0} + NOWHERE, place), Bytes);
}

/* keep is NULL if there is no dropout. */
int NAMED(conv_pool_forward)(const REAL *x, const REAL *w, const REAL *b, REAL *y, uint8_t *index,
                             const uint8_t *keep, double scale, const Task *task,
                             int num_threads) {
  Places s;
  if (!find(&s, task) || task->out % LANES)
    return 1;
#pragma omp parallel for num_threads(num_threads)
  for (int64_t row = 0; row < task->num * s.rows; row++) {
    const REAL *line = x + (row / s.rows * task->height + row % s.rows * 2) * s.below;
    for (int64_t block = 0; block < task->out; block += LANES)
      for (int64_t column = 0; column < s.columns; column++) {
        const REAL *corner = line + column * 2 * s.right;
        const Reals bias = *(const Reals *)(b + block);
        Reals sum[4] = {bias, bias, bias, bias};
        for (int64_t tap = 0; tap < s.taps; tap++) {
          const Reals weight = *(const Reals *)(w + tap * task->out + block);
          const REAL *at = corner + s.offset[tap];
          sum[0] = NAMED(add_product)(NAMED(all)(at[0]), weight, sum[0]);
          sum[1] = NAMED(add_product)(NAMED(all)(at[s.right]), weight, sum[1]);
          sum[2] = NAMED(add_product)(NAMED(all)(at[s.below]), weight, sum[2]);
          sum[3] = NAMED(add_product)(NAMED(all)(at[s.below + s.right]), weight, sum[3]);
        }
        int64_t to = (row * s.columns + column) * task->out + block;
        NAMED(pool)(sum, y + to, index + to, keep ? keep + to : 0, (REAL)scale);
      }
  }
  return 0;
}

/* The gradient of an image: dw is (taps + 1, O); its last row is for the bias. */
static void NAMED(of_image)(const Task *task, const Places *s, const REAL *x, const REAL *dy,
                            const uint8_t *index, REAL *dw, REAL scale) {
  for (int64_t block = 0; block < task->out; block += LANES) {
    Reals sum[MOST_TAPS + 1] = {0};
    for (int64_t row = 0; row < s->rows; row++)
      for (int64_t column = 0; column < s->columns; column++) {
        const int64_t from = (row * s->columns + column) * task->out + block;
        const Integers place = __builtin_convertvector(*(const Bytes *)(index + from), Integers);
        const Integers gradient = (Integers)(*(const Reals *)(dy + from) * scale);
        Reals passed[4];
        for (INTEGER which = 0; which < 4; which++)
          passed[which] = (Reals)((place == which) & gradient);
        const REAL *corner = x + row * 2 * s->below + column * 2 * s->right;
        for (int64_t tap = 0; tap < s->taps; tap++) {
          const REAL *at = corner + s->offset[tap];
          const Reals upper = NAMED(add_product)(NAMED(all)(at[0]), passed[0],
                                                 at[s->right] * passed[1]);
          const Reals lower = NAMED(add_product)(NAMED(all)(at[s->below]), passed[2],
                                                 at[s->below + s->right] * passed[3]);
          sum[tap] += upper + lower;
        }
        sum[s->taps] += (Reals)((place != NOWHERE) & gradient);
      }
    for (int64_t tap = 0; tap <= s->taps; tap++)
      *(Reals *)(dw + tap * task->out + block) = sum[tap];
  }
}

int NAMED(conv_pool_backward)(const REAL *x, const REAL *dy, const uint8_t *index, REAL *dw,
                              double scale, const Task *task, int num_threads) {
  Places s;
  if (!find(&s, task) || task->out % LANES)
    return 1;
  const int64_t size = (s.taps + 1) * task->out, results = s.rows * s.columns * task->out;
  REAL *parts = malloc((size_t)(task->num * size) * sizeof(REAL));
  if (!parts)
    return 2;
#pragma omp parallel for num_threads(num_threads)
  for (int64_t n = 0; n < task->num; n++)
    NAMED(of_image)(task, &s, x + n * task->height * s.below, dy + n * results,
                    index + n * results, parts + n * size, (REAL)scale);
  memset(dw, 0, (size_t)size * sizeof(REAL));
  for (int64_t n = 0; n < task->num; n++)
    for (int64_t i = 0; i < size; i++)
      dw[i] += parts[n * size + i];
  free(parts);
  return 0;
}

#undef LANES
#undef Reals
#undef Integers
#undef Bytes

#endif
