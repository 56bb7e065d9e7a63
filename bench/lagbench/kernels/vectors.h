// Vectors as wide as the processor's registers (an extension of GCC and Clang), and functions of them.
//
// A row of any length of at least one vector is covered by vectors of which the last may overlap the
// one before it: what is computed twice is the same, as long as no input is overwritten.

#pragma once

#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <utility>

#if defined(__AVX512F__)
#include <immintrin.h>
constexpr int BYTES = 64;
#elif defined(__AVX__)
constexpr int BYTES = 32;
#else
constexpr int BYTES = 16;
#endif

template <class S> struct Types;
template <> struct Types<float> {
    typedef float vector __attribute__((vector_size(BYTES)));
    typedef int32_t integers __attribute__((vector_size(BYTES)));
};
template <> struct Types<double> {
    typedef double vector __attribute__((vector_size(BYTES)));
    typedef int64_t integers __attribute__((vector_size(BYTES)));
};

template <class S> using Vector = typename Types<S>::vector;
template <class S> constexpr int LANES = BYTES / sizeof(S);

template <class S> static inline Vector<S> load(const S* from) {
    Vector<S> v;
    std::memcpy(&v, from, sizeof v);
    return v;
}

template <class S> static inline void store(S* to, Vector<S> v) { std::memcpy(to, &v, sizeof v); }

// Load the first n <= LANES elements, with zeros after them; store them.
#if defined(__AVX512F__)
static inline Vector<float> load_some(const float* from, int n) {
    return _mm512_maskz_loadu_ps((1u << n) - 1, from);
}
static inline Vector<double> load_some(const double* from, int n) {
    return _mm512_maskz_loadu_pd((1u << n) - 1, from);
}
static inline void store_some(float* to, int n, Vector<float> v) {
    _mm512_mask_storeu_ps(to, (1u << n) - 1, v);
}
static inline void store_some(double* to, int n, Vector<double> v) {
    _mm512_mask_storeu_pd(to, (1u << n) - 1, v);
}
#else
template <class S> static inline Vector<S> load_some(const S* from, int n) {
    if (n == LANES<S>) return load(from);
    Vector<S> v{};
    for (int l = 0; l < n; l++) v[l] = from[l];
    return v;
}
template <class S> static inline void store_some(S* to, int n, Vector<S> v) {
    if (n == LANES<S>) return store(to, v);
    for (int l = 0; l < n; l++) to[l] = v[l];
}
#endif

// A vector of these lanes of a and b; the lanes of b follow those of a.
#if defined(__clang__)
#define SHUFFLE(a, b, ...) __builtin_shufflevector(a, b, __VA_ARGS__)
#else
#define SHUFFLE(a, b, ...) __builtin_shuffle(a, b, typename Types<S>::integers{__VA_ARGS__})
#endif

// Swap, of each two vectors SPAN apart, the upper half of every 2 * SPAN lanes of the first and the
// lower half of the second.
template <class S, int SPAN, size_t... l>
static inline void exchange(Vector<S>* v, std::index_sequence<l...>) {
    constexpr int L = LANES<S>, s = SPAN;
#pragma GCC unroll 16
    for (int i = 0; i < L; i++)
        if (!(i & s)) {
            Vector<S> a = v[i], b = v[i + s];
            v[i] = SHUFFLE(a, b, (l & s ? L + l - s : l)...);
            v[i + s] = SHUFFLE(a, b, (l & s ? L + l : l + s)...);
        }
}

// Transpose LANES vectors in place.
template <class S, int SPAN = LANES<S> / 2> static inline void transpose(Vector<S>* v) {
    exchange<S, SPAN>(v, std::make_index_sequence<LANES<S>>());
    if constexpr (SPAN > 1) transpose<S, SPAN / 2>(v);
}

template <class S> static inline void copy(S* to, const S* from, size_t n) {
    std::memcpy(to, from, n * sizeof(S));
}

// Uninitialised memory for n elements and a vector more.
template <class S> struct Free {
    void operator()(S* memory) const { std::free(memory); }
};
template <class S> using Scratch = std::unique_ptr<S[], Free<S>>;
template <class S> static inline Scratch<S> scratch(size_t n) {
    size_t bytes = ((n + LANES<S>) * sizeof(S) + BYTES - 1) / BYTES * BYTES;
    return Scratch<S>(static_cast<S*>(std::aligned_alloc(BYTES, bytes)));
}

// Call f(j) for each vector of a row of n >= LANES, at j; the last may overlap the one before.
template <class S, class F> static inline void for_overlapping(int n, F f) {
    int j = 0;
    for (; j + LANES<S> <= n; j += LANES<S>) f(j);
    if (j < n) f(n - LANES<S>);
}

// Call f(j, count) for each vector of a row of any n; the last may have fewer elements.
template <class S, class F> static inline void for_row(int n, F f) {
    for (int j = 0; j < n; j += LANES<S>) f(j, n - j < LANES<S> ? n - j : LANES<S>);
}

static inline Vector<float> quotient(Vector<float> a, Vector<float> b) {
#if defined(__AVX512F__)  // four times as fast as a division, and one bit less precise
    Vector<float> r = _mm512_rcp14_ps(b);
    return a * (r * (2 - b * r));
#else
    return a / b;
#endif
}

// Minimum and maximum of x and a limit; NaN stays NaN.
#if defined(__AVX512F__)
static inline Vector<float> at_most(float limit, Vector<float> x) {
    return _mm512_min_ps(Vector<float>{} + limit, x);
}
static inline Vector<float> at_least(float limit, Vector<float> x) {
    return _mm512_max_ps(Vector<float>{} + limit, x);
}
#else
static inline Vector<float> at_most(float limit, Vector<float> x) {
    return x > limit ? Vector<float>{} + limit : x;
}
static inline Vector<float> at_least(float limit, Vector<float> x) {
    return x < limit ? Vector<float>{} + limit : x;
}
#endif

// 2^(x * scale) = power * (1 + rest), with `power` a power of two and `rest` exact near 0 too; for
// |x * scale| < 126. Far from 0 it is off by up to three bits, which the rounded scale costs.
static inline void exp2_parts(
    Vector<float> x, float scale, Vector<float>& power, Vector<float>& rest
) {
    const float to_exponent = 12582912 + 127;  // integers become exponents in its lowest bits
    Vector<float> shifted = x * scale + to_exponent;
    Vector<float> r = x * scale - (shifted - to_exponent);
    power = (Vector<float>)((Types<float>::integers)shifted << 23);
    Vector<float> p = r * 1.54697305e-4f + 1.33908669e-3f;  // fitted by least squares on ±1/2
    p = p * r + 9.61803079e-3f;
    p = p * r + 5.55035711e-2f;
    p = p * r + 2.40226511e-1f;
    p = p * r + 6.93147188e-1f;
    rest = p * r;
}

// 2^x for x < 126; no less than 2^-90.
static inline Vector<float> exp2(Vector<float> x) {
    Vector<float> power, rest;
    exp2_parts(at_least(-90, x), 1, power, rest);
    return power * (1 + rest);
}

static inline Vector<float> sigmoid(Vector<float> x) {
    Vector<float> power, rest;
    exp2_parts(at_least(-87, at_most(87, x)), -M_LOG2E, power, rest);
    return quotient(Vector<float>{} + 1, 1 + power * (1 + rest));
}

static inline Vector<float> tanh(Vector<float> x) {
    Vector<float> power, rest;
    exp2_parts(at_least(-20, at_most(20, x)), 2 * M_LOG2E, power, rest);
    Vector<float> e = power * rest + (power - 1);  // e^2x - 1, exact near 0 too
    return quotient(e, e + 2);
}

// The cumulative distribution and the density of a standard normal distribution, to 1e-7
// (Abramowitz and Stegun 7.1.26, as in PyTorch).
static inline void normal(Vector<float> x, Vector<float>& cumulative, Vector<float>& density) {
    Vector<float> power, rest, far = x < 0 ? -x : x;
    exp2_parts(at_most(170, x * x), -.72134752f, power, rest);
    Vector<float> e = power * (1 + rest), t = quotient(Vector<float>{} + 1, 1 + .23164189f * far);
    Vector<float> p = t * .530702715f - .726576014f;
    p = p * t + .710706871f;
    p = p * t - .142248368f;
    Vector<float> tail = (p * t + .127414796f) * t * e;
    cumulative = x > 0 ? 1 - tail : tail;
    density = .39894228f * e;
}

// Double precision, which tests use, is computed element by element.
template <class F> static inline Vector<double> map_lanes(Vector<double> x, F f) {
    for (int l = 0; l < LANES<double>; l++) x[l] = f(x[l]);
    return x;
}
static inline Vector<double> quotient(Vector<double> a, Vector<double> b) { return a / b; }
static inline Vector<double> exp(Vector<double> x) {
    return map_lanes(x, [](double v) { return std::exp(v); });
}
static inline Vector<double> exp2(Vector<double> x) {
    return map_lanes(x, [](double v) { return std::exp2(v); });
}
static inline Vector<double> sigmoid(Vector<double> x) {
    return map_lanes(x, [](double v) { return 1 / (1 + std::exp(-v)); });
}
static inline Vector<double> tanh(Vector<double> x) {
    return map_lanes(x, [](double v) { return std::tanh(v); });
}
static inline void normal(Vector<double> x, Vector<double>& cumulative, Vector<double>& density) {
    cumulative = map_lanes(x, [](double v) { return std::erfc(-v * M_SQRT1_2) / 2; });
    density = map_lanes(x, [](double v) { return std::exp(-v * v / 2) * M_2_SQRTPI * M_SQRT1_2 / 2; });
}

template <class S> static inline Vector<S> root(Vector<S> x) {
    for (int l = 0; l < LANES<S>; l++) x[l] = std::sqrt(x[l]);
    return x;
}

template <class S> static inline Vector<S> relu(Vector<S> x) { return x < 0 ? Vector<S>{} : x; }
