/* A step of Adam in one pass over memory: adam.py has the equations, and does the same in torch. */

#include <math.h>
#include <stdint.h>

#define PARALLEL_FROM 16384 /* values; starting a thread costs as much as some thousand */

#define DEFINE(REAL, NAME, SQRT)                                                                   \
  void adam_##NAME(REAL *restrict w, const REAL *restrict g, REAL *restrict m, REAL *restrict v,   \
                   int64_t num, double weight_1, double weight_2, double alpha, double epsilon,    \
                   int num_threads) {                                                              \
    const REAL a = (REAL)weight_1, b = (REAL)weight_2, rate = (REAL)alpha, eps = (REAL)epsilon;    \
    _Pragma("omp parallel for simd num_threads(num_threads) if (num > PARALLEL_FROM)")             \
    for (int64_t i = 0; i < num; i++) {                                                            \
      m[i] += (g[i] - m[i]) * a;                                                                   \
      v[i] += (g[i] * g[i] - v[i]) * b;                                                            \
      w[i] -= m[i] * rate / (SQRT(v[i]) + eps);                                                    \
    }                                                                                              \
  }

DEFINE(float, float32, sqrtf)
DEFINE(double, float64, sqrt)
