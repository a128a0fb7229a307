/* The normal numbers of normals.py for the CPU, with the logarithm, sine and cosine of the C library:
   TensorFlow calls the same ones, so that results have its bits.

   native.py compiles it where there is a C compiler. */

#define _GNU_SOURCE /* sincos */
#include <math.h>
#include <stddef.h>
#include <stdint.h>

#ifndef __linux__ /* as TensorFlow does on other systems */
static void sincosf(float x, float *s, float *c) { *s = sinf(x), *c = cosf(x); }
static void sincos(double x, double *s, double *c) { *s = sin(x), *c = cos(x); }
#endif

#define TWO_PI (2 * 3.14159265358979323846)

static void philox_block(uint64_t block, const uint32_t key[2], const uint32_t counter[2],
                         uint32_t words[4]) {
  uint32_t c0 = (uint32_t)block, c1 = (uint32_t)(block >> 32), c2 = counter[0], c3 = counter[1];
  uint32_t k0 = key[0], k1 = key[1];
  for (int round = 0; round < 10; round++) {
    uint64_t p0 = (uint64_t)0xD2511F53u * c0, p1 = (uint64_t)0xCD9E8D57u * c2;
    c0 = (uint32_t)(p1 >> 32) ^ c1 ^ k0;
    c1 = (uint32_t)p1;
    c2 = (uint32_t)(p0 >> 32) ^ c3 ^ k1;
    c3 = (uint32_t)p0;
    k0 += 0x9E3779B9u;
    k1 += 0xBB67AE85u;
  }
  words[0] = c0, words[1] = c1, words[2] = c2, words[3] = c3;
}

/* Four float32 numbers of a block. */
static void normal_float32(const uint32_t words[4], float out[4]) {
  for (int i = 0; i < 4; i += 2) {
    float u1 = (float)(words[i] & 0x7FFFFFu) * 0x1p-23f, s, c;
    if (u1 < 1.0e-7f) u1 = 1.0e-7f;
    float v1 = (float)(TWO_PI * ((float)(words[i + 1] & 0x7FFFFFu) * 0x1p-23f));
    float u2 = sqrtf(-2.0f * logf(u1));
    sincosf(v1, &s, &c);
    out[i] = s * u2, out[i + 1] = c * u2;
  }
}

static double uniform_float64(uint32_t high, uint32_t low) {
  return (double)(((uint64_t)(high & 0xFFFFFu) << 32) | low) * 0x1p-52;
}

/* Two float64 numbers of a block. */
static void normal_float64(const uint32_t words[4], double out[2]) {
  double u1 = uniform_float64(words[0], words[1]), s, c;
  if (u1 < 1.0e-7) u1 = 1.0e-7;
  double u2 = sqrt(-2.0 * log(u1));
  sincos(TWO_PI * uniform_float64(words[2], words[3]), &s, &c);
  out[0] = s * u2, out[1] = c * u2;
}

/* A plain stream takes block after block. A truncated one starts each group of numbers at its own
   block, with 64 blocks per number, and leaves out numbers of size 2 or more. */
#define STREAMS(type, width)                                                                      \
  void normal_stream_##type(TYPE_##type *out, size_t num_values, const uint32_t key[2],           \
                            const uint32_t counter[2]) {                                          \
    uint32_t words[4];                                                                            \
    TYPE_##type values[width];                                                                    \
    for (size_t done = 0; done < num_values;) {                                                   \
      philox_block(done / width, key, counter, words);                                            \
      normal_##type(words, values);                                                               \
      for (int i = 0; i < width && done < num_values; i++) out[done++] = values[i];               \
    }                                                                                             \
  }                                                                                               \
  void truncated_stream_##type(TYPE_##type *out, size_t num_values, const uint32_t key[2],        \
                               const uint32_t counter[2]) {                                       \
    uint32_t words[4];                                                                            \
    TYPE_##type values[width];                                                                    \
    for (size_t first = 0; first < num_values; first += width) {                                  \
      size_t done = first, end = first + width < num_values ? first + width : num_values;         \
      for (uint64_t block = (uint64_t)first * 64; done < end; block++) {                          \
        philox_block(block, key, counter, words);                                                 \
        normal_##type(words, values);                                                             \
        for (int i = 0; i < width && done < end; i++)                                             \
          if (fabs((double)values[i]) < 2) out[done++] = values[i];                               \
      }                                                                                           \
    }                                                                                             \
  }

#define TYPE_float32 float
#define TYPE_float64 double
STREAMS(float32, 4)
STREAMS(float64, 2)
