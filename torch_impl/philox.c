/* The Philox loops of philox.py for the CPU: the uniform values of a stream, and which of them are at
   least a threshold.

   Same definition, same bits; native.py compiles it where there is a C compiler. Blocks are taken
   LANES at a time, so that compilers turn each inner loop into vector instructions; any of them can
   be computed first, so that threads share them. */

#include <stddef.h>
#include <stdint.h>

#define LANES 16
#define PARALLEL_FROM 16384  /* values; starting a thread costs as much as some thousand */

static void philox_blocks(uint64_t first, uint32_t c2_0, uint32_t c3_0, uint32_t k0, uint32_t k1,
                          uint32_t words[4][LANES]) {
  uint32_t *c0 = words[0], *c1 = words[1], *c2 = words[2], *c3 = words[3];
  for (int lane = 0; lane < LANES; lane++) {
    uint64_t block = first + (uint64_t)lane;
    c0[lane] = (uint32_t)block;
    c1[lane] = (uint32_t)(block >> 32);
    c2[lane] = c2_0;
    c3[lane] = c3_0;
  }
  for (int round = 0; round < 10; round++) {
    for (int lane = 0; lane < LANES; lane++) {
      uint64_t p0 = (uint64_t)0xD2511F53u * c0[lane];
      uint64_t p1 = (uint64_t)0xCD9E8D57u * c2[lane];
      uint32_t new0 = (uint32_t)(p1 >> 32) ^ c1[lane] ^ k0;
      uint32_t new2 = (uint32_t)(p0 >> 32) ^ c3[lane] ^ k1;
      c0[lane] = new0;
      c1[lane] = (uint32_t)p1;
      c2[lane] = new2;
      c3[lane] = (uint32_t)p0;
    }
    k0 += 0x9E3779B9u;
    k1 += 0xBB67AE85u;
  }
}

/* float32: value i is the low 23 bits of word i. */
void keep_float32(uint8_t *keep, int64_t num_values, const uint32_t key[2],
                  const uint32_t counter[2], uint64_t threshold, int num_threads) {
  const int64_t each = 4 * LANES;
#pragma omp parallel for num_threads(num_threads) if (num_values > PARALLEL_FROM)
  for (int64_t start = 0; start < num_values; start += each) {
    uint32_t words[4][LANES];
    philox_blocks((uint64_t)(start / 4), counter[0], counter[1], key[0], key[1], words);
    if (num_values - start >= each) {
      for (int lane = 0; lane < LANES; lane++)
        for (int word = 0; word < 4; word++)
          keep[start + 4 * lane + word] = (words[word][lane] & 0x7FFFFFu) >= (uint32_t)threshold;
    } else {
      for (int64_t i = 0; start + i < num_values; i++)
        keep[start + i] = (words[i % 4][i / 4] & 0x7FFFFFu) >= (uint32_t)threshold;
    }
  }
}

/* float64: value i is the low 20 bits of word 2 i above the 32 bits of word 2 i + 1. */
void keep_float64(uint8_t *keep, int64_t num_values, const uint32_t key[2],
                  const uint32_t counter[2], uint64_t threshold, int num_threads) {
  const int64_t each = 2 * LANES;
#pragma omp parallel for num_threads(num_threads) if (num_values > PARALLEL_FROM)
  for (int64_t start = 0; start < num_values; start += each) {
    uint32_t words[4][LANES];
    philox_blocks((uint64_t)(start / 2), counter[0], counter[1], key[0], key[1], words);
    for (int64_t i = 0; i < each && start + i < num_values; i++) {
      uint64_t high = words[2 * (i % 2)][i / 2] & 0xFFFFFu;
      keep[start + i] = ((high << 32) | words[2 * (i % 2) + 1][i / 2]) >= threshold;
    }
  }
}

/* The same values as multiples of 2**-23. */
void uniform_float32(float *out, int64_t num_values, const uint32_t key[2],
                     const uint32_t counter[2], int num_threads) {
  const int64_t each = 4 * LANES;
#pragma omp parallel for num_threads(num_threads) if (num_values > PARALLEL_FROM)
  for (int64_t start = 0; start < num_values; start += each) {
    uint32_t words[4][LANES];
    philox_blocks((uint64_t)(start / 4), counter[0], counter[1], key[0], key[1], words);
    for (int64_t i = 0; i < each && start + i < num_values; i++)
      out[start + i] = (float)(words[i % 4][i / 4] & 0x7FFFFFu) * 0x1p-23f;
  }
}

/* The same values as multiples of 2**-52. */
void uniform_float64(double *out, int64_t num_values, const uint32_t key[2],
                     const uint32_t counter[2], int num_threads) {
  const int64_t each = 2 * LANES;
#pragma omp parallel for num_threads(num_threads) if (num_values > PARALLEL_FROM)
  for (int64_t start = 0; start < num_values; start += each) {
    uint32_t words[4][LANES];
    philox_blocks((uint64_t)(start / 2), counter[0], counter[1], key[0], key[1], words);
    for (int64_t i = 0; i < each && start + i < num_values; i++) {
      uint64_t high = words[2 * (i % 2)][i / 2] & 0xFFFFFu;
      out[start + i] = (double)((high << 32) | words[2 * (i % 2) + 1][i / 2]) * 0x1p-52;
    }
  }
}
